"""Which part of the application gets what, and how a web process stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents import postgres
from controlplane import asgi, lifespan
from controlplane.routing import FOREIGN_ORIGIN, NO_SUCH_SOCKET
from tests.controlplane.conftest import Edge


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/x", "/health", "/healthz/live", "/metrics"])
async def test_the_edge_gets_the_api_health_and_metrics(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await served_by(path, monkeypatch) == "edge"


@pytest.mark.parametrize("path", ["/", "/admin/", "/v10/x", "/healthy", "/intents/v1/", "//v1/x"])
async def test_the_pages_get_the_rest(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await served_by(path, monkeypatch) == "pages"


async def served_by(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    asked: list[str] = []
    for name in ("edge", "pages"):

        async def handler(scope: Any, receive: Any, send: Any, name: str = name) -> None:
            asked.append(name)

        monkeypatch.setattr(asgi, name, handler)
    await Edge(asgi.application).ask("GET", path)
    [name] = asked
    return name


async def test_a_process_has_a_connection_before_it_serves_and_has_drained_before_it_says_that_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    idle: list[int] = []

    async def drain() -> None:
        done.append("drained")

    monkeypatch.setattr(lifespan, "drain", drain)
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        done.append(message["type"])
        if message["type"] == "lifespan.startup.complete":
            idle.append((await postgres.pool()).get_stats()["pool_available"])

    await asgi.application({"type": "lifespan"}, receive, send)

    assert done == ["lifespan.startup.complete", "drained", "lifespan.shutdown.complete"]
    assert idle[0] >= 1


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/ws/nothing", {}, NO_SUCH_SOCKET),
        ("/ws/nothing", {"host": "perdure.test", "origin": "https://perdure.test"}, NO_SUCH_SOCKET),
        ("/ws/agent", {"host": "perdure.test", "origin": "https://evil.test"}, FOREIGN_ORIGIN),
        ("/ws/agent", {"host": "perdure.test", "origin": "null"}, FOREIGN_ORIGIN),
        ("/ws/agent", {"host": "perdure.test", "origin": "http://[bad"}, FOREIGN_ORIGIN),
    ],
)
async def test_sockets_open_only_where_there_are_some_and_for_no_foreign_page(
    path: str, headers: dict[str, str], code: int
) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
    }
    await asyncio.wait_for(asgi.application(scope, receive, send), 30)

    assert sent == [{"type": "websocket.close", "code": code}]
