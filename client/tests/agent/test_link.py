"""Which way an agent goes to its server: by websocket, and without one only where websockets alone are blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from perdure import AsyncClient, Forbidden, Unauthenticated, errors, link
from perdure.link import Link
from perdure.ways import Ended, Listener

BLOCKED = Ended("HTTP 403", may_be_blocked=True, refusal=Forbidden("HTTP 403"))
BROKEN = Ended("closed with 1006")
ORDERLY = Ended("", is_orderly=True)


class Way:
    """Comes up or not, and ends, as a test has written it; without more to do, it closes the link."""

    def __init__(self, name: str, taken: list[str], script: list[tuple[bool, Ended]]) -> None:
        self.name = name
        self.has_frames = name == "socket"
        self.url = "ws://there/ws/agent"
        self.listener: Listener
        self._taken = taken
        self._script = script

    async def connection(self) -> Ended:
        self._taken.append(self.name)
        if not self._script:
            await asyncio.Event().wait()
        comes_up, ended = self._script.pop(0)
        if comes_up:
            self.listener.came_up({})
            self.listener.went_down()
        return ended

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Keeps a link over such ways until neither has more to do; which ways were gone."""

    async def run(socket: list[Any], stream: list[Any], me: int = 200, wait_for: int = 0) -> list[str]:
        def answer(request: httpx.Request) -> httpx.Response:
            if me == 0:
                raise httpx.ConnectError("refused")
            return httpx.Response(me, json={"ok": me == 200})

        taken: list[str] = []
        ways = {"socket": Way("socket", taken, socket), "stream": Way("stream", taken, stream)}

        def make(name: str) -> Callable[..., Way]:
            def made(*given: Any) -> Way:
                ways[name].listener = given[-1]
                return ways[name]

            return made

        monkeypatch.setattr(link, "SocketWay", make("socket"))
        monkeypatch.setattr(link, "StreamWay", make("stream"))
        async with AsyncClient("http://there", "key", transport=httpx.MockTransport(answer)) as client:
            kept = Link(client, {"address": "a"}, on_frame=lambda _: None, on_up=lambda _: None)
            monkeypatch.setattr(kept, "_pause", _no_pause)
            keeping = asyncio.create_task(kept.keep())
            wanted = len(socket) + len(stream) + 1
            while len(taken) < wanted and not keeping.done():  # noqa: ASYNC110  it is not to know of an event
                await asyncio.sleep(0)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if not keeping.cancelled() and (error := keeping.exception()) is not None:
                raise error
        return taken

    return run


async def _no_pause(ended: Ended, failures: int) -> None:
    await asyncio.sleep(0)


async def test_where_requests_come_through_and_a_websocket_does_not_it_goes_without(
    keep: Callable[..., Any],
) -> None:
    taken = await keep([(False, BLOCKED)], [(True, ORDERLY), (True, BROKEN), (False, BROKEN)])

    assert taken == ["socket", "stream", "stream", "stream", "stream"]


async def test_where_the_server_is_away_it_goes_on_trying_a_websocket(keep: Callable[..., Any]) -> None:
    assert await keep([(False, BLOCKED)] * 9, [], me=0) == ["socket"] * 10
    assert await keep([(False, BLOCKED)] * 9, [], me=503) == ["socket"] * 10


async def test_a_restart_does_not_look_like_being_blocked(keep: Callable[..., Any]) -> None:
    restart = [(True, BROKEN), *[(False, BLOCKED)] * (link.FAILURES_WHERE_ONE_WAS - 1), (True, BROKEN)]

    assert await keep(list(restart), []) == ["socket"] * (len(restart) + 1)


async def test_where_a_websocket_has_been_and_is_none_for_long_it_goes_without(
    keep: Callable[..., Any],
) -> None:
    taken = await keep([(True, BROKEN), *[(False, BLOCKED)] * link.FAILURES_WHERE_ONE_WAS], [(True, ORDERLY)])

    assert taken[-2:] == ["stream", "stream"]


async def test_a_websocket_is_tried_again_after_a_while(
    keep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "SECONDS_WITHOUT_SOCKET", 0.0)

    taken = await keep(
        [(False, BLOCKED), (False, BLOCKED), (True, BROKEN)], [(True, ORDERLY), (True, ORDERLY)]
    )

    assert taken == ["socket", "stream", "socket", "stream", "socket", "socket"]


@pytest.mark.parametrize(
    ("me", "ended", "kind"),
    [
        (401, BLOCKED, Forbidden),
        (401, Ended("reset", may_be_blocked=True), Unauthenticated),
        (403, Ended("reset", may_be_blocked=True), Forbidden),
        (404, Ended("HTTP 404", may_be_blocked=True, refusal=errors.NotFound("HTTP 404")), errors.NotFound),
        (400, BLOCKED, Forbidden),
    ],
)
async def test_what_is_refused_either_way_ends_it(
    keep: Callable[..., Any], me: int, ended: Ended, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await keep([(False, ended)], [], me=me)
