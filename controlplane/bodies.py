"""Reading request bodies: never more than the route is meant to take, never for longer than a minute."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from agents.errors import ApiError, BadRequest, PayloadTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ORDINARY = 128 * 1024
BATCH = 8 * 1024 * 1024

LARGER = {"/v1/intents/batch": BATCH}
#: Opaque values, one a request; and many at once.
VALUES = re.compile(r"/v1/(?:intents/[^/]+/checkpoints|threads/[^/]+/items)/.+", re.DOTALL)
MANY_VALUES = re.compile(r"/v1/threads/[^/]+/(?:items/(?:batch|get)|entries)")

PATIENCE_SECONDS = 60


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


class TooSlow(ApiError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"
    message = "the request body did not arrive in time"


def limit_of(path: str) -> int:
    """How many bytes a body may have on this path."""
    if (larger := LARGER.get(path)) is not None:
        return larger
    if path.startswith("/v1/threads/") or "/checkpoints/" in path:
        if MANY_VALUES.fullmatch(path):
            return max(BATCH, 2 * settings.PERDURE_VALUE_BYTES)
        if VALUES.fullmatch(path):
            return value_limit()
    return ORDINARY


def value_limit() -> int:
    """How many bytes an opaque value may have."""
    limit: int = settings.PERDURE_VALUE_BYTES
    return limit


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        PayloadTooLarge: it says it is, or turns out to be, larger than the limit; the rest is not read.
        TooSlow: it, or the first byte of it, is not here in time.
        ClientLeft: nobody is there any more to be answered.
    """
    if _declared_length(scope) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await _read(receive, limit)
    except TimeoutError:
        raise TooSlow from None


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        if len(body) + len(piece) > limit:
            raise _too_large(limit)
        is_all = not message.get("more_body", False)
        if is_all and not body:  # the usual case: it came in one piece
            return piece
        body += piece
        if is_all:
            return bytes(body)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise BadRequest("Content-Length is not a number")
            return int(value[:20])
    return 0


def _too_large(limit: int) -> PayloadTooLarge:
    details = {"limit": limit} | ({"limit_of": "value"} if limit == value_limit() else {})
    return PayloadTooLarge(f"the request body is larger than {limit} bytes", details=details)
