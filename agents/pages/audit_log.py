"""The audit log: filtered, paged, and exported as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from agents import audit_reading
from agents.audit_reading import Wanted
from agents.models import Role
from agents.moments import storable
from agents.pages.shell import PageRequest, page

LARGEST_ID = 2**63 - 2


@page(role=Role.OPERATOR)
@require_safe
def audit_log(request: PageRequest) -> HttpResponse:
    """Who did what to what, the newest first."""
    wanted = _wanted(request.GET)
    before, after = _number(request.GET.get("before")), _number(request.GET.get("after"))
    found = audit_reading.find(request.place.operator(request), wanted, before=before, after=after)
    filters = request.GET.copy()
    for name in ("before", "after"):
        filters.pop(name, None)
    context = {
        "found": found,
        "wanted": wanted,
        "is_newest": before is None and after is None,
        "filters": filters.urlencode(),
        "is_filtered": wanted != Wanted(),
    }
    return render(request, "agents/audit.html", context)


@page(role=Role.OPERATOR)
@require_safe
def export(request: PageRequest) -> HttpResponseBase:
    """The entries that fit the filters, one JSON object a line."""
    operator = request.place.operator(request)
    lines = _lines(audit_reading.export(operator, _wanted(request.GET)))
    name = f"audit-{operator.organization_slug}.jsonl"
    return StreamingHttpResponse(
        lines,
        content_type="application/x-ndjson",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _lines(documents: Iterator[dict[str, object]]) -> Iterator[str]:
    for document in documents:
        yield json.dumps(document, ensure_ascii=False) + "\n"


def _wanted(query: QueryDict) -> Wanted:
    def text(name: str) -> str:
        return query.get(name, "").replace("\x00", "").strip()[:400]

    return Wanted(
        actor=text("actor"),
        action=text("action"),
        target=text("target"),
        since=_moment(query.get("from")),
        until=_moment(query.get("to")),
    )


def _moment(text: str | None) -> datetime | None:
    """A time as forms write it, taken for UTC; what is none filters nothing."""
    try:
        moment = datetime.fromisoformat(text or "")
        return storable((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> int | None:
    return (
        min(int(text), LARGEST_ID) if text and text.isascii() and text.isdigit() and len(text) < 40 else None
    )
