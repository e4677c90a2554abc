"""A browser's login and its live streams, without a browser."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import httpx

from tests.servers import Perdure, wait_until


@contextmanager
def logged_in(
    perdure: Perdure, *, web: int = 0, name: str = "", password: str = ""
) -> Iterator[httpx.Client]:
    """A client with a session; the first administrator's if nobody is named."""
    with httpx.Client(base_url=perdure.web[web].base_url, timeout=10) as client:
        _log_in(client, perdure, web, name, password)
        yield client


def _log_in(client: httpx.Client, perdure: Perdure, web: int, name: str, password: str) -> None:
    client.get("/login/")
    answer = client.post(
        "/login/",
        data={
            "username": name or perdure.facts["PERDURE_ADMIN_USER"],
            "password": password or perdure.facts["PERDURE_ADMIN_PASSWORD"],
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        },
        headers={"Referer": perdure.web[web].base_url},
    )
    assert answer.status_code in (302, 303), answer.text[:500]


class LiveStream:
    """What a page's stream has said so far."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: list[tuple[float, str, str]] = []
        self.ended_at: float | None = None
        self._response = response
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        data: list[str] = []
        try:
            for line in self._response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data.append(line.removeprefix("data: "))
                elif not line and name:
                    self.events.append((monotonic(), name, "\n".join(data)))
                    name, data = "", []
        except (httpx.HTTPError, httpx.StreamError):
            pass
        self.ended_at = monotonic()

    def wait_for(self, name: str, *parts: str, patience: float = 30) -> str:
        """The first event of that name with all of these in it."""

        def found() -> tuple[str] | None:
            for _, heard, data in list(self.events):
                if heard == name and all(part in data for part in parts):
                    return (data,)
            return None

        heard = wait_until(found, patience, f"{name} with {parts} comes")
        assert heard
        return heard[0]

    def hang_up(self) -> None:
        """Close the connection; closing the response alone would wait for the thread that reads."""
        connection = self._response.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # the server was faster
            connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


@contextmanager
def listen(client: httpx.Client, path: str) -> Iterator[LiveStream]:
    """Open a live stream."""
    with client.stream("GET", path) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = LiveStream(response)
        try:
            yield stream
        finally:
            stream.hang_up()
