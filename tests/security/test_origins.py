"""Whoever opens a websocket from somebody else's page is turned away before anybody looks at their key."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.routing import FOREIGN_ORIGIN, SameOrigin


async def knock(origin: str | None, host: str = "perdure.example") -> tuple[bool, list[Any]]:
    """Whether a connection gets as far as the application, and what else it is told."""
    inside: list[Any] = []
    told: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        inside.append(scope)

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is asked of who was turned away")

    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin1")))
    await SameOrigin(application)({"type": "websocket", "headers": headers}, receive, send)
    return bool(inside), told


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "https://perdure.example.evil.example", "https://perdure.example:8443", "null", "",
        "file://", "http://[", "https://evil.example/perdure.example", "https://perdure.example@evil.example",
    ],
)  # fmt: skip
async def test_a_foreign_origin_is_turned_away(origin: str) -> None:
    assert await knock(origin) == (False, [{"type": "websocket.close", "code": FOREIGN_ORIGIN}])


@pytest.mark.parametrize("origin", ["https://perdure.example", "https://PERDURE.example", None])
async def test_our_own_pages_and_agents_are_let_in(origin: str | None) -> None:
    assert await knock(origin) == (True, [])
