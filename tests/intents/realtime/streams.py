"""A reader of server-sent events for tests, which keeps every byte and when it came."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import httpx

from tests.live import Account
from tests.servers import Perdure, wait_until

BUFFERED = {"user-agent": "curl/8.9.1"}
INCREMENTAL = {"user-agent": "python-httpx/0.28.1"}
FRAME = re.compile(rb"(?:id: (\d+)\n)?event: ([a-z_.]+)\ndata: ([^\n]*)\n\n")


@dataclass
class Event:
    """One frame of a stream."""

    id: int | None
    name: str
    data: dict[str, Any]


def events(content: bytes) -> list[Event]:
    """The frames of a stream, which has nothing in it but frames and comments."""
    rest = content.replace(b": ping\n\n", b"")
    found = [
        Event(int(number) if number else None, name.decode(), json.loads(data))
        for number, name, data in FRAME.findall(rest)
    ]
    assert FRAME.sub(b"", rest) == b"", f"not a frame: {rest!r}"
    return found


class Reader:
    """A stream that is being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.content = b""
        self.opened_at = monotonic()
        self.ended_at: float | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for chunk in self.response.iter_raw():
                self.content += chunk
        except (httpx.HTTPError, httpx.StreamError):
            pass
        self.ended_at = monotonic()

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    def events(self, name: str = "") -> list[Event]:
        """What has come, whole frames only."""
        whole = self.content[: self.content.rfind(b"\n\n") + 2]
        return [event for event in events(whole) if name in ("", event.name)]

    def deliveries(self) -> list[Event]:
        return [event for event in self.events() if event.name.startswith("intent.")]

    def hear(self, number: int = 1, deadline: float = 30) -> list[Event]:
        """The first so many deliveries, when they have come."""
        wait_until(lambda: len(self.deliveries()) >= number, deadline, f"{number} deliveries")
        return self.deliveries()[:number]

    def wait(self, deadline: float = 30) -> list[Event]:
        """All events, when the stream has ended."""
        wait_until(lambda: self.has_ended, deadline, "the stream ends")
        return self.events()

    def hang_up(self) -> None:
        """Close the connection as a process that dies does; closing alone would wait for the thread that reads."""
        connection = self.response.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # the server was faster
            connection.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        self._thread.join(5)


@contextmanager
def reading(client: httpx.Client, path: str, **headers: str) -> Iterator[Reader]:
    """Read a stream until the block ends or the stream does; then hang up."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.stream("GET", path, headers=given) as response:
        assert response.status_code == 200, response.read()
        reader = Reader(response)
        try:
            yield reader
        finally:
            reader.hang_up()
            reader.join()


class Open(Protocol):
    """Opens the worker's stream."""

    def __call__(
        self, query: str = "", *, client: httpx.Client | None = None, **headers: str
    ) -> AbstractContextManager[Reader]: ...


def new_process(perdure: Perdure, worker: Account, web: int = 0) -> httpx.Client:
    """A client without cookies of another."""
    return httpx.Client(base_url=perdure.web[web].base_url, headers=worker.headers, timeout=30)
