"""The page of one intent: where it stands, all that has happened, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from agents import documents
from agents.errors import ApiError, Conflict, Invalid
from agents.models import Role
from agents.pages.one_effect import one_effect
from agents.pages.shell import PageRequest, Place, page
from intents import desk, dossier, wire
from intents.dossier import Dossier
from intents.errors import IntentNotFound
from intents.operations import Steps
from intents.pages import actions, presentation, timeline
from intents.pages.presentation import intent_context

#: An export reads so many events at a time.
EXPORTED_AT_ONCE = 500


@page
@require_safe
def intent(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """The whole page; `?event=17` makes sure that this event is on it."""
    found = _found(request.place, intent_id)
    around = _number(request.GET.get("event"))
    context = intent_context(found, request, around=around)
    return render(request, "intents/intent.html", context)


@page
@require_safe
def events(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """The rows of the events from `first` to `last`, up to 200 of them; `from=end` gives the last ones of those."""
    found = _found(request.place, intent_id)
    first, last = _number(request.GET.get("first")), _number(request.GET.get("last"))
    if first is None or last is None or not 1 <= first <= last <= found.seq:
        raise Http404
    more = timeline.More(first, last)
    is_from_end = request.GET.get("from") == "end"
    shown = (more.back_from, last) if is_from_end else (first, more.up_to)
    rows = list(timeline.rows(found, dossier.now(dossier.passages(intent_id, [shown]))))
    left = timeline.More(first, shown[0] - 1) if is_from_end else timeline.More(shown[1] + 1, last)
    if left.number > 0:
        rows = [left, *rows] if is_from_end else [*rows, left]
    context = {"rows": rows, "intent_id": intent_id, "place": request.place}
    if not request.htmx:
        context |= intent_context(found, request, around=None)
        context["rows"] = rows
        return render(request, "intents/intent.html", context)
    return render(request, "intents/_rows.html", context)


@page
@require_safe
def offered(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """What can be done now: the part of the page that has forms."""
    context = {**presentation.standing_context(_found(request.place, intent_id)), "place": request.place}
    return render(request, "intents/_actions.html", context)


@page
@require_safe
def export(request: PageRequest, intent_id: UUID) -> HttpResponseBase:
    """The intent with its whole history, checkpoints and relations, as one JSON file."""
    found = _found(request.place, intent_id)
    return StreamingHttpResponse(
        _exported(found),
        content_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="intent-{intent_id}.json"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _exported(found: Dossier) -> Iterator[bytes]:
    whole = dossier.now(_whole(found))
    yield b'{"intent":' + orjson.dumps(whole) + b',"events":['
    for first in range(1, found.seq + 1, EXPORTED_AT_ONCE):
        last = min(found.seq, first + EXPORTED_AT_ONCE - 1)
        rows = dossier.now(_stored(found.intent_id, first, last))
        lines = [orjson.dumps(wire.event_body(row, largest=None)) for row in rows]
        yield (b",\n" if first > 1 else b"\n") + b",\n".join(lines)
    yield b'\n],"checkpoints":' + orjson.dumps(
        [
            {
                "step": each.step,
                "attempt": each.attempt,
                "at": wire.timestamp(each.at),
                "size": each.size,
                "content_type": each.content_type,
            }
            for each in dossier.now(dossier.checkpoints(found.intent_id))
        ]
    )
    relatives = dossier.now(dossier.relations(found.intent_id))
    yield b',"related":' + orjson.dumps(
        {kind: [str(row["intent_id"]) for row in rows] for kind, rows in relatives.items()}
    )
    yield b"}\n"


def _stored(intent_id: UUID, first: int, last: int) -> Steps[list[dict[str, Any]]]:
    return (
        yield (
            "passages",
            {"intent_id": intent_id, "firsts": [first], "lasts": [last], "largest": 2**31 - 1},
        )
    )


def _whole(found: Dossier) -> Steps[dict[str, Any]]:
    """The intent as the API shows it, its payload whatever its size."""
    rows = yield (
        "dossier",
        {
            "ids": [found.intent_id],
            "organization_id": found.row["organization_id"],
            "workspace_id": found.row["workspace_id"],
            "largest": 2**31 - 1,
        },
    )
    row = {**rows[0]}
    for name in ("attributes", "controls", "pending_with"):
        row[name] = dossier.decoded(row[name])
    return wire.intent_body(row)


@page(role=Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def cancellation(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """Cancel it, or ask how first."""
    if request.method != "POST":
        return _ask(request, intent_id, "cancel")

    def cancel() -> str:
        desk.cancel(request.place.operator(request), intent_id, request.POST.get("reason", ""))
        return "Canceled. Nothing of it is owed to anybody any more."

    return _done(request, intent_id, "cancel", cancel)


@page(role=Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def redelivery(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """Have it delivered again now, or ask how first."""
    if request.method != "POST":
        return _ask(request, intent_id, "redeliver")

    def redeliver() -> str:
        desk.redeliver(request.place.operator(request), intent_id, request.POST.get("reason", ""))
        return "Due at once: the next free connection of its agent gets it."

    return _done(request, intent_id, "redeliver", redeliver)


@page(role=Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def retries(request: PageRequest, intent_id: UUID) -> HttpResponse:
    """Submit it once more, or ask how first; leads to the new one."""
    if request.method != "POST":
        return _ask(request, intent_id, "retry")
    submitted: list[UUID] = []

    def retry() -> str:
        again = desk.retry(
            request.place.operator(request),
            intent_id,
            from_checkpoints=request.POST.get("checkpoints", "keep") == "keep",
            payload=_payload(request.POST.get("payload", "")),
            reason=request.POST.get("reason", ""),
        )
        submitted.append(again.intent_id)
        return "Submitted once more, as a new intent: this one."

    return _done(request, intent_id, "retry", retry, lambda: submitted[0] if submitted else intent_id)


def _payload(text: str) -> Any:
    """The edited payload; None if it was left as it is."""
    if not text.strip():
        return None
    try:
        return documents.parse(text.encode("utf-8", "surrogatepass"))
    except ApiError as error:
        raise Invalid(f"payload: {error.message.removeprefix('the body ')}") from None


def _done(request: PageRequest, intent_id: UUID, name: str, act: Any, whither: Any = None) -> HttpResponse:
    """Do it and lead to the page that shows what came of it. Who came too late sees how it ended instead."""
    try:
        said = act()
    except Conflict as error:
        found = _found(request.place, intent_id)
        how = found.sentence.text(found.row["read_at"])
        messages.warning(request, f"Nothing was changed: {error.message}. {how}")
    except (IntentNotFound, Http404):
        raise
    except ApiError as error:
        if error.status not in (413, 422):
            raise
        return _ask(request, intent_id, name, problem=error.message)
    else:
        messages.success(request, said)
        intent_id = whither() if whither else intent_id
    return HttpResponseRedirect(request.place.url("intents:intent", intent_id=intent_id), status=303)


def _ask(request: PageRequest, intent_id: UUID, name: str, problem: str = "") -> HttpResponse:
    """A page with the form of one action; with what was typed, if that had a problem."""
    found = _found(request.place, intent_id)
    form = next((each for each in actions.of(found) if each.name == name), None)
    if form is None:
        messages.warning(request, f"Too late for that. {found.sentence.text(found.row['read_at'])}")
        return HttpResponseRedirect(request.place.url("intents:intent", intent_id=intent_id), status=303)
    context = {
        "found": found,
        "intent_id": intent_id,
        "action": form,
        "payload_text": presentation.indented(found.row["payload"]),
        "problem": problem,
        "typed": request.POST,
        "sentence": found.sentence,
        "pieces": found.sentence.pieces(found.row["read_at"]),
    }
    return render(request, "intents/action.html", context, status=422 if problem else 200)


def _found(place: Place, intent_id: UUID) -> Dossier:
    try:
        return dossier.now(
            dossier.of(intent_id, organization_id=place.organization.pk, workspace_id=place.workspace.pk)
        )
    except IntentNotFound:
        raise Http404 from None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
