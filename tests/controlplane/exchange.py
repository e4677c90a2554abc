"""One HTTP exchange with an ASGI application, as a server would conduct it: chunks, hanging up, a full send buffer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson

PATIENCE = 30


class Exchange:
    """A request on its way and the answer so far."""

    def __init__(
        self,
        application: Any,
        method: str,
        path: str,
        *,
        body: bytes | Iterable[bytes] = b"",
        headers: dict[str, str] | None = None,
        client: str = "192.0.2.1",
    ) -> None:
        path, _, query = path.partition("?")
        chunks = [body] if isinstance(body, bytes) else list(body)
        given = {"host": "testserver", **(headers or {})}
        if isinstance(body, bytes):
            given.setdefault("content-length", str(len(body)))
        self.unread = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
            for number, chunk in enumerate(chunks, 1)
        ]
        self.left = asyncio.Event()
        #: cleared: the client does not read, and sending waits
        self.reads = asyncio.Event()
        self.reads.set()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.is_complete = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin1")) for name, value in given.items()],
            "client": (client, 1234),
            "server": ("testserver", 80),
        }
        self.task = asyncio.create_task(application(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self.unread:
            return self.unread.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode().lower(): value.decode("latin1") for name, value in message["headers"]
            }
        else:
            self.chunks.append(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)

    async def answer(self) -> Exchange:
        """The exchange, once the application is done with it."""
        await asyncio.wait_for(self.task, PATIENCE)
        return self

    @property
    def content(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds, looking often; fail if it never does."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 (not everything a test waits for has an event)
            await asyncio.sleep(0.002)
