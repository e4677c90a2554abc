"""The list of intents: found by the filters in its address, kept true by a stream."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from agents.errors import Invalid, NotFound
from agents.pages.server import server_address
from agents.pages.shell import PageRequest, page
from intents import finding, ledger, rows, saved_views
from intents.filters import SPANS, Filters
from intents.finding import Found
from intents.lifecycle import OPEN, Status
from intents.pages.chips import chips
from intents.pages.rows import Frame

#: Of agents and types that the filters' fields offer.
MOST_CHOICES = 50


@page
@require_safe
def intents(request: PageRequest) -> HttpResponse:
    """A page of the list; `before` and `after` go on from an intent."""
    place = request.place
    filters, wrong = Filters.read(request.GET)
    before, after = _cursor(request, "before"), _cursor(request, "after")
    found = finding.run(finding.page(place.workspace.pk, filters, before=before, after=after))
    if after is not None and found.newer is None and not found.looked_at:
        before = after = None  # nothing newer than this page: show the newest, and whole
        found = finding.run(finding.page(place.workspace.pk, filters))
    context = _context(request, filters, found) | {
        "wrong": wrong,
        "is_newest": before is None and after is None,
        "live_query": _live_query(filters, before, after),
    }
    return render(request, "intents/list.html", context)


def _context(request: PageRequest, filters: Filters, found: Found) -> dict[str, Any]:
    place = request.place
    views = saved_views.of(place.user.pk, place.workspace.pk)
    query = filters.query()
    return {
        "found": found,
        "rows": finding.run(rows.build(found.rows)),
        "frame": Frame.of(place),
        "filters": filters,
        "query": query,
        "chips": list(chips(filters)),
        "views": views,
        "view": next((view for view in views if view.query == query), None),
        "statuses": [(status, status in filters.statuses, status in OPEN) for status in Status],
        "spans": list(SPANS),
        "is_empty": not found.rows and not filters and not found.looked_at,
        "server": server_address(request),
        **_choices(place.workspace.pk),
    }


def _choices(workspace_id: UUID) -> dict[str, Any]:
    [choices] = ledger.read("choices", workspace_id=workspace_id, most=MOST_CHOICES)
    return choices


def _cursor(request: PageRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def _live_query(filters: Filters, before: UUID | None, after: UUID | None) -> str:
    """The query of the stream that shows the same page."""
    query = filters.query()
    cursor = f"before={before}" if before is not None else f"after={after}" if after is not None else ""
    return "&".join(filter(None, (query, cursor)))


@page
@require_safe
def number(request: PageRequest) -> HttpResponse:
    """How many intents fit the filters, as a sentence's part."""
    filters = Filters.of(request.GET)
    counted = finding.run(finding.count(request.place.workspace.pk, filters))
    return render(request, "intents/_number.html", {"counted": counted})


@page
@require_POST
def save_view(request: PageRequest) -> HttpResponse:
    """Name the filters, and show them."""
    who = request.place.operator(request)
    query = request.POST.get("query", "")
    try:
        view = saved_views.save(who, request.POST.get("name", ""), query)
    except Invalid as refusal:
        messages.error(request, f"The view was not saved: {refusal}.")
        return _to_list(request, Filters.read(query)[0].query())
    messages.success(request, f"Saved as {view.name}. A link to this page shows it to every member.")
    return _to_list(request, view.query)


@page
@require_POST
def delete_view(request: PageRequest, view_id: int) -> HttpResponse:
    """Forget a view; what it showed stays as it is."""
    try:
        name = saved_views.delete(request.place.operator(request), view_id)
    except NotFound:
        messages.warning(request, "That view is gone already.")
    else:
        messages.success(request, f"Deleted the view {name}.")
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return HttpResponseRedirect(back, status=303)
    return _to_list(request, "")


def _to_list(request: PageRequest, query: str) -> HttpResponse:
    url = request.place.url("intents:list")
    return HttpResponseRedirect(f"{url}?{query}" if query else url, status=303)
