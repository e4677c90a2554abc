"""Pages that are kept true part by part: the overview, the agents, one agent.

event: part     an element that takes the place of the one with its id
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from agents.pages import attendance
from agents.pages.session_auth import place_of
from agents.pages.shell import Place
from agents.postgres import in_thread
from intents import finding, fleet, overview as overviews
from intents.fleet import Member
from intents.overview import Overview
from intents.pages.chart import Chart
from intents.pages.live import fragment
from intents.pages.views_fleet import wanted_of
from intents.realtime import runtime, sse
from intents.realtime.gauges import Gauges
from intents.telemetry import CONNECTIONS

T = TypeVar("T")

#: How long ago something was; the page counts that by itself.
AGE = re.compile(r"(<time [^>]* data-ago>)[^<]*")


async def overview(request: HttpRequest, organization: str, workspace: str) -> HttpResponseBase:
    """Keeps the overview true."""
    place = await place_of(request, organization, workspace)
    told = Told()

    async def read() -> Overview:
        return await finding.run_on_pool(overviews.refreshed(place.workspace.pk))

    def news(figures: Overview) -> list[str]:
        return told.news(_overview(figures, place))

    gauges = runtime.current().gauges
    return sse.stream(_frames(request, place, gauges, place.workspace.pk, read, news))


async def agents(request: HttpRequest, organization: str, workspace: str) -> HttpResponseBase:
    """Keeps the list of agents true."""
    place = await place_of(request, organization, workspace)
    wanted, workspace_id = wanted_of(request), place.workspace.pk
    read = partial(in_thread, fleet.of_workspace, workspace_id, wanted)
    news = FleetTold(place, wanted).news
    return sse.stream(_frames(request, place, runtime.current().fleets, (workspace_id, wanted), read, news))


async def agent(
    request: HttpRequest, organization: str, workspace: str, service_account_id: str
) -> HttpResponseBase:
    """Keeps the page of one agent true."""
    place = await place_of(request, organization, workspace)
    read = partial(in_thread, fleet.one, place.workspace.pk, service_account_id)
    member = await read()  # 404 before the stream begins
    news = partial(agent_news, Told())
    what = ("agent", member.agent.pk)
    return sse.stream(_frames(request, place, runtime.current().fleets, what, read, news))


async def _frames(
    request: HttpRequest,
    place: Place,
    gauges: Gauges,
    what: Hashable,
    read: Callable[[], Awaitable[T]],
    news: Callable[[T], Iterable[str]],
) -> AsyncIterator[bytes]:
    CONNECTIONS.labels("dashboard").inc()
    try:
        with gauges.watch(what, read) as gauge:
            async with attendance.attend(request, place, leave=gauge.close):
                while not gauge.is_closed:
                    figures = await gauge.next(sse.KEEP_ALIVE_SECONDS)
                    parts = news(figures) if figures is not None else ()
                    for part in parts:
                        yield fragment("part", [part])
                    if not parts:
                        yield sse.KEEP_ALIVE
    finally:
        CONNECTIONS.labels("dashboard").dec()


class Told:
    """What a page has been told, so that it is told nothing twice."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def news(self, parts: Mapping[str, str]) -> list[str]:
        """Those of the parts that say something else than before; a mere second more is nothing new."""
        said = {name: AGE.sub(r"\1", part) for name, part in parts.items()}
        changed = [parts[name] for name, text in said.items() if self._said.get(name) != text]
        self._said |= said
        return changed


class FleetTold:
    """What a page of agents has been told: single rows, or all of it when others are in it."""

    def __init__(self, place: Place, wanted: str) -> None:
        self._place, self._wanted = place, wanted
        self._rows = Told()
        self._shown: list[str] | None = None

    def news(self, found: tuple[list[Member], bool]) -> list[str]:
        """The rows that have changed, or the whole list."""
        members, has_more = found
        changed = self._rows.news({member.agent.service_account_id: self._row(member) for member in members})
        shown = [member.agent.service_account_id for member in members]
        if shown == self._shown:
            return changed
        self._shown = shown
        context = {"members": members, "has_more": has_more, "wanted": self._wanted, "place": self._place}
        return [render_to_string("intents/_fleet.html", context).strip()]

    def _row(self, member: Member) -> str:
        return render_to_string("intents/_fleet_row.html", {"member": member, "place": self._place}).strip()


def agent_news(told: Told, member: Member) -> list[str]:
    """How the agent is now, if that is news."""
    html = render_to_string("intents/_agent_now.html", {"member": member})
    return told.news({"agent-now": html.strip()})


def _overview(figures: Overview, place: Place) -> dict[str, str]:
    context = {"overview": figures, "place": place, "chart": Chart.of(figures)}
    return {
        name: render_to_string(f"intents/_{name}.html", context).strip()
        for name in ("tiles", "chart", "dead")
    }
