"""HTTP/1.1 on a bare asyncio protocol, over connections that are kept: what a fast client costs, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import orjson


class Failed(Exception):
    """The server answered something else than 200, or not at all."""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, host: str, key: str, cookie: str = "") -> None:
        who = f"cookie: {cookie}" if cookie else f"x-api-key: {key}"
        self._head = f"HTTP/1.1\r\nhost: {host}\r\n{who}\r\n".encode()
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._answer: asyncio.Future[bytes] | None = None
        self._body: list[bytes] = []
        self._on_body: Callable[[bytes], None] | None = None
        #: set when the head of the current answer has come, so when a stream is open
        self.is_answered = asyncio.Event()

    async def get(self, path: str, on_body: Callable[[bytes], None] | None = None) -> bytes:
        """The body; given to `on_body` as it comes, if there is one."""
        return await self._ask(b"GET %b %b\r\n" % (path.encode(), self._head), on_body)

    async def post(self, path: str, body: bytes, headers: bytes = b"") -> bytes:
        """The body of the answer to this JSON."""
        head = b"POST %b %b%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return await self._ask((head % (path.encode(), self._head, headers, len(body))) + body)

    async def _ask(self, request: bytes, on_body: Callable[[bytes], None] | None = None) -> bytes:
        if self._transport is None or self._transport.is_closing():
            raise Failed("the connection is closed")
        self._body, self._on_body = [], on_body
        self.is_answered.clear()
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # -- of the transport -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its manners only

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Failed("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    # -- of the parser ----------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        self.is_answered.set()

    def on_body(self, body: bytes) -> None:
        if self._on_body is not None and self._parser.get_status_code() == 200:
            self._on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        assert self._answer is not None
        if self._answer.done():
            return
        body = b"".join(self._body)
        if (status := self._parser.get_status_code()) == 200:
            self._answer.set_result(body)
        else:
            self._answer.set_exception(Failed(f"{status} {body[:500]!r}"))


class Events:
    """Takes server-sent events apart; `heard` gets the data of each that is no comment."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self._heard = heard
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *frames, self._rest = (self._rest + chunk).split(b"\n\n")
        for frame in frames:
            for line in frame.split(b"\n"):
                if line.startswith(b"data: "):
                    self._heard(orjson.loads(line[6:]))


async def connect(url: str, key: str, *, cookie: str = "") -> Connection:
    """An open connection of whoever has that key, or that session."""
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(place.netloc, key, cookie), place.hostname or "", place.port or 80
    )
    return connection
