"""The live parts of one intent's page, as the same HTML that the page has.

event: rows      rows for the end of the timeline; a page that has one of them already leaves it as it is
event: part      an element that takes the place of the one with its id
event: saved     checkpoints for the end of their list
event: actions   another set of actions is offered; the page fetches them, for they have forms
event: reload    more has happened than is worth being told piece by piece
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from agents.errors import NotFound
from agents.pages import attendance
from agents.pages.session_auth import place_of
from agents.pages.shell import Place
from intents import dossier
from intents.dossier import Dossier
from intents.errors import IntentNotFound
from intents.operations import Steps
from intents.pages import presentation, timeline
from intents.pages.live import fragment
from intents.realtime import runtime, sse, standings
from intents.telemetry import CONNECTIONS

#: How long a stream is silent before it looks whether there is something else to say of the intent.
LOOK_SECONDS = 0.5
#: A page that has missed more events than this begins anew.
MOST_TOLD = 500


async def intent(
    request: HttpRequest, organization: str, workspace: str, intent_id: UUID
) -> HttpResponseBase:
    """Keeps the page of an intent true, from after event `after` on."""
    place = await place_of(request, organization, workspace)
    try:
        found = await dossier.soon(_asked(place, intent_id))
    except IntentNotFound:
        raise NotFound from None
    text = request.GET.get("after", "0")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return sse.stream(_frames(request, place, found, min(after, found.seq)))


def _asked(place: Place, intent_id: UUID) -> Steps[Dossier]:
    return dossier.of(intent_id, organization_id=place.organization.pk, workspace_id=place.workspace.pk)


async def _frames(request: HttpRequest, place: Place, found: Dossier, after: int) -> AsyncIterator[bytes]:
    here, looks, intent_id = runtime.current(), standings.current(), found.intent_id
    told = _Told(place)
    CONNECTIONS.labels("dashboard").inc()
    try:
        with looks.watch(intent_id):
            async with (
                here.observer.watch(intent_id, after=after) as watch,
                attendance.attend(request, place, leave=watch.close),
            ):
                for part in told.standing(found):
                    yield part
                said, silence = looks.of(intent_id), 0.0
                while not watch.is_closed:
                    rows = await watch.next(LOOK_SECONDS)
                    now = looks.of(intent_id)
                    if rows or now != said:
                        said, silence = now, 0.0
                        found = await dossier.soon(_asked(place, intent_id))
                        if rows:
                            if rows[-1]["seq"] - after > MOST_TOLD:
                                yield fragment("reload", ["1"])
                                return
                            async for part in told.events(found, after, rows[-1]["seq"]):
                                yield part
                            after = rows[-1]["seq"]
                        for part in told.standing(found):
                            yield part
                        continue
                    silence += LOOK_SECONDS
                    if silence >= sse.KEEP_ALIVE_SECONDS:
                        silence = 0.0
                        yield sse.KEEP_ALIVE
    finally:
        CONNECTIONS.labels("dashboard").dec()


class _Told:
    """What one page has been told, so that it is told nothing twice."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._parts: dict[str, str] = {}
        self._saved = 0
        self._actions = ""

    async def events(self, found: Dossier, after: int, last: int) -> AsyncIterator[bytes]:
        """The rows of the events after `after`, and the checkpoints that came with them."""
        happenings = await dossier.soon(dossier.passages(found.intent_id, [(after + 1, last)]))
        rows = list(timeline.rows(found, happenings))
        context = {"rows": rows, "intent_id": found.intent_id, "place": self.place}
        yield fragment("rows", [render_to_string("intents/_rows.html", context)])
        if any("checkpoint" in each.details for each in happenings):
            saved = presentation.checkpoint_views(await dossier.soon(dossier.checkpoints(found.intent_id)))
            new = [
                render_to_string("intents/_checkpoint.html", {"checkpoint": each})
                for each in saved
                if each.position > self._saved
            ]
            self._saved = len(saved)
            yield fragment("saved", new)
        if any("child_intent_id" in each.details for each in happenings):
            relations = presentation.relations_of(await dossier.soon(dossier.relations(found.intent_id)))
            context = {"relations": relations, "place": self.place}
            yield fragment("part", [render_to_string("intents/_relations.html", context)])

    def standing(self, found: Dossier) -> Iterable[bytes]:
        """Where it stands, as far as that is news."""
        context = {**presentation.standing_context(found), "place": self.place}
        parts = {
            name: render_to_string(f"intents/_{name}.html", context).strip()
            for name in ("sentence", "strip", "facts", "outcome")
        }
        for head in timeline.heads(found, found.seq):
            name = f"chapter-{head.chapter.index}"
            parts[name] = render_to_string("intents/_attempt.html", {"row": head}).strip()
        for name, part in parts.items():
            if self._parts.get(name) != part:
                self._parts[name] = part
                yield fragment("part", [part])
        if self._actions != context["actions_version"]:
            self._actions = context["actions_version"]
            yield fragment("actions", [self._actions])
