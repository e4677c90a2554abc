"""A websocket on a bare asyncio protocol: several frames leave in one write, none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

HEARTBEAT = b'{"type":"heartbeat"}'
HEARTBEAT_SECONDS = 10


class Socket(asyncio.Protocol):
    """A connection to /ws/agent. `heard` gets each frame as what its JSON says."""

    def __init__(self, uri: str, key: str, heard: Callable[[dict[str, Any]], None]) -> None:
        self._protocol = ClientProtocol(parse_uri(uri), max_size=2**20)
        self._key = key
        self._heard = heard
        self._is_flushing = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[str] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its manners only
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self._key}"
        self._protocol.send_request(request)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        why = f"closed: {self._protocol.close_code} {self._protocol.close_reason}"
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(why))
        if not self.closed.done():
            self.closed.set_result(why)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    self._heard(orjson.loads(event.data))
            elif isinstance(event, Response) and self._protocol.handshake_exc is None:
                self.opened.set_result(None)
        self._flush()  # answers to the server's pings

    def send(self, frame: bytes) -> None:
        """Send a text frame, together with what else is sent in this turn of the loop."""
        self._protocol.send_text(frame)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        if self._transport is not None and (data := b"".join(self._protocol.data_to_send())):
            self._transport.write(data)

    async def beat(self) -> None:
        """Send a heartbeat as often as the server wants to hear one."""
        while not self.closed.done():
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.send(HEARTBEAT)


async def connect(uri: str, key: str, heard: Callable[[dict[str, Any]], None]) -> Socket:
    """An open websocket."""
    place = urlsplit(uri)
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(
        lambda: Socket(uri, key, heard), place.hostname or "", place.port or 80
    )
    await socket.opened
    return socket
