"""An agent's line to its server: kept open, whatever happens, by websocket or, where that is blocked, by requests."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx

from perdure import errors
from perdure.client import AsyncClient
from perdure.framing import Disconnected
from perdure.plans import Policy
from perdure.socket_way import SocketWay
from perdure.stream_way import StreamWay
from perdure.ways import Ended, Heard, Way, Welcome

log = logging.getLogger("perdure.agent")

#: How often a websocket has to fail where one has been, while HTTP works: a restart may look like that for a moment.
FAILURES_WHERE_ONE_WAS = 4
#: How long to do without a websocket, before it is tried again.
SECONDS_WITHOUT_SOCKET = 300.0
PROBE_SECONDS = 5.0


class Link:
    """One agent's connection; when it breaks, the next one. `epoch` counts them."""

    def __init__(self, client: AsyncClient, hello: dict[str, Any], *, on_frame: Heard, on_up: Heard) -> None:
        self._client = client
        self._on_frame = on_frame
        self._on_up = on_up
        self._policy = Policy()
        self._socket = SocketWay(client._runner.server, hello, self)
        self._stream = StreamWay(client, hello, self)
        self._way: Way = self._socket
        self._has_had_socket = False
        self._socket_again_at = 0.0
        self._is_closing = False
        self.epoch = 0
        self.up = asyncio.Event()

    @property
    def has_frames(self) -> bool:
        """Whether many small things are best said over this line, and one heartbeat renews all leases."""
        return self._way.has_frames

    async def keep(self) -> None:
        """Stay connected until `close`.

        Raises:
            errors.Unauthenticated, errors.Forbidden, errors.AgentNotFound: coming again would change nothing.
        """
        failures = 0
        while not self._is_closing:
            epoch = self.epoch
            ended = await self._way.connection()
            if self._is_closing:
                return
            if self.epoch != epoch:
                failures = 0
                self._has_had_socket = self._has_had_socket or self._way is self._socket
            else:
                failures += 1
            if ended.may_be_blocked and await self._is_blocked(ended, failures):
                log.warning(
                    "websockets to %s are blocked (%s); going on without", self._socket.url, ended.why
                )
                self._way, failures = self._stream, 0
                self._socket_again_at = asyncio.get_running_loop().time() + SECONDS_WITHOUT_SOCKET
                continue
            if self._way is self._stream and asyncio.get_running_loop().time() >= self._socket_again_at:
                self._way, self._has_had_socket = self._socket, False
            if not ended.is_orderly:
                await self._pause(ended, failures)

    async def _pause(self, ended: Ended, failures: int) -> None:
        pause = self._policy.pause(failures)
        log.warning(
            "the connection to %s is down (%s), next try in %.1f s", self._socket.url, ended.why, pause
        )
        await asyncio.sleep(pause)

    async def _is_blocked(self, ended: Ended, failures: int) -> bool:
        """Whether requests come through where a websocket did not.

        Raises:
            errors.ApiError: they do, and are refused for good.
        """
        try:
            answer = await self._client._runner.http.get("/v1/me", timeout=PROBE_SECONDS)
        except httpx.HTTPError:
            return False  # the server is away, or everything is blocked
        if answer.status_code == httpx.codes.OK:
            return not self._has_had_socket or failures >= FAILURES_WHERE_ONE_WAS
        if answer.status_code in (400, 401, 403, 404):
            refusal = errors.of_answer(answer.status_code, _json(answer), path="/v1/me", text=answer.text)
            raise ended.refusal or refusal
        return False

    async def close(self) -> None:
        """Say what is left to be said, and leave for good."""
        self._is_closing = True
        await self._way.close()

    async def ask(self, verb: str, item: dict[str, Any], **shared: Any) -> dict[str, Any]:
        """What the server answers to one item.

        Raises:
            Disconnected: there is no connection, or there was none any more.
            errors.ApiError: it refused this item.
            errors.PayloadTooLarge, errors.Invalid: it cannot be sent.
        """
        if not self.up.is_set() and self._way.has_frames:
            raise Disconnected(was_sent=False)
        return await self._way.ask(verb, item, **shared)

    async def tell(self, frame: dict[str, Any]) -> None:
        """Send a frame that wants no answer, if there is a connection."""
        await self._way.tell(frame)

    # -- what the way hears -----------------------------------------------------------------------------------------

    def came_up(self, welcome: Welcome) -> None:
        self.epoch += 1
        self.up.set()
        self._on_up(welcome)

    def went_down(self) -> None:
        self.up.clear()

    def hear(self, frame: dict[str, Any]) -> None:
        self._on_frame(frame)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
