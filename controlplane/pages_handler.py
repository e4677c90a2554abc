"""Serves the pages: Django's handler, which by itself takes all of a body onto disk before anybody asks who sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

from agents.errors import ApiError
from agents.pages.middleware import REFUSED
from controlplane.bodies import ClientLeft, Message, Receive, read_body

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class PagesHandler(ASGIHandler):
    """Reads no more of a body than Django takes of a form, and for no longer than a minute."""

    async def handle(  # type: ignore[override]
        self, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Read, and let Django answer: with a refusal, if there was too much to read."""
        try:
            body = await read_body(scope, receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        except ClientLeft:
            return
        except ApiError as error:
            # Refusals are pages, too. And the rest of the body is not to be read to hear of its sender's leaving.
            await super().handle({**scope, REFUSED: error}, _all_of(b"", _nothing), _last(send))
        else:
            await super().handle(scope, _all_of(body, receive), send)


def _all_of(body: bytes, receive: Receive) -> Receive:
    """Receives a body that has been read, and then what else there is."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return whole.pop() if whole else await receive()

    return read


async def _nothing() -> Message:
    return await asyncio.get_running_loop().create_future()


def _last(send: Send) -> Send:
    """Sends an answer after which nothing more is wanted of the connection."""

    async def end(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return end
