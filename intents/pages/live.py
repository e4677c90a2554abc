"""The live rows of the list: what has changed, as the same HTML that the page has.

event: rows     rows of the list that are not as the page may have them
event: new      rows that are new, after a line with how many there are in all
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from agents.pages import attendance
from agents.pages.session_auth import place_of
from agents.pages.shell import Place
from intents import finding, operations, rows
from intents.candidates import Query
from intents.filters import Filters
from intents.finding import Found, Search
from intents.pages.rows import Frame, render
from intents.realtime import runtime, sse
from intents.realtime.open_list import News, OpenList, TooSlow
from intents.rows import ListRow
from intents.telemetry import CONNECTIONS


async def intents(request: HttpRequest, organization: str, workspace: str) -> HttpResponseBase:
    """Keeps a page of the list true; its query is the page's."""
    place = await place_of(request, organization, workspace)
    filters, _ = Filters.read(request.GET)
    before, after = _cursor(request, "before"), _cursor(request, "after")
    return sse.stream(_list_frames(request, place, filters, before, after))


async def _list_frames(
    request: HttpRequest, place: Place, filters: Filters, before: UUID | None, after: UUID | None
) -> AsyncIterator[bytes]:
    here, frame = runtime.current(), Frame.of(place)
    CONNECTIONS.labels("dashboard").inc()
    try:
        wanted, found, shown = await finding.run_on_pool(_opening(place, filters, before, after))
        opened = OpenList(wanted, found, is_newest=before is None and after is None)
        with here.board.watch(opened):
            async with attendance.attend(request, place, leave=opened.close):
                # All rows once: whatever happened since the page was made is among it.
                yield fragment("rows", (render(row, frame) for row in shown))
                while not opened.is_closed:
                    news = await opened.next(sse.KEEP_ALIVE_SECONDS)
                    for part in _told(news, frame):
                        yield part
                    if not news:
                        yield sse.KEEP_ALIVE
    except TooSlow:
        pass  # it comes back, and is shown all
    finally:
        CONNECTIONS.labels("dashboard").dec()


def _opening(
    place: Place, filters: Filters, before: UUID | None, after: UUID | None
) -> Search[tuple[dict[str, Any], Found, list[ListRow]]]:
    workspace_id = place.workspace.pk
    recipient_id = None
    if filters.agent:
        asked = {"workspace_id": workspace_id, "named": filters.agent}
        agents = yield Query(operations.text("agent_named"), asked)
        recipient_id = agents[0]["id"] if agents else 0  # which nobody is
    found = yield from finding.page(workspace_id, filters, before=before, after=after)
    shown = yield from rows.build(found.rows)
    return finding.wanted_of(workspace_id, filters, recipient_id), found, shown


def _told(news: News, frame: Frame) -> list[bytes]:
    told = []
    if news.changed:
        told.append(fragment("rows", (render(row, frame) for row in news.changed)))
    if news.new:
        number = f"{news.number}{'+' if news.is_more else ''}"
        told.append(fragment("new", [number, *(render(row, frame) for row in news.new)]))
    return told


def fragment(event: str, lines: Iterable[str]) -> bytes:
    """A frame that carries text, line by line as the format wants it."""
    text = "\n".join(lines).replace("\r\n", "\n").replace("\r", "\n")
    data = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"event: {event}\n{data}\n".encode()


def _cursor(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None
