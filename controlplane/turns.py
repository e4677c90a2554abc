"""What is written to a connection in one turn of the event loop leaves in one piece.

uvloop sends each write as it comes. But an answer over HTTP is two writes, and a flush of the ledger answers many
frames of a websocket at the same time: these system calls, and the wake-ups of whoever reads, cost more than those.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: More than this does not wait for the end of the turn: who reads can go on, and that he is slow is noticed.
MOST_GATHERED = 4 * 1024


class GatheringTransport:
    """A transport whose writes wait for each other until the loop's next turn; all else is the transport's own."""

    __slots__ = ("_size", "_transport", "_unwritten")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._unwritten: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unwritten.append(data)
        self._size += len(data)
        if self._size > MOST_GATHERED:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data = b"".join(self._unwritten)
        self._unwritten.clear()
        self._size = 0
        if data and not self._transport.is_closing():  # the client may have gone meanwhile
            self._transport.write(data)


class GatheringProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP, and the websockets that begin as such, on a transport that gathers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport)))
