"""The frames of server-sent event streams, as the protocol's clients read them.

One space after each colon, data on one line, a blank line after each frame, the last one included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from django.http import HttpRequest, StreamingHttpResponse

from agents.errors import Invalid

#: A comment; proxies see that the stream lives.
KEEP_ALIVE = b": ping\n\n"
KEEP_ALIVE_SECONDS = 10.0
#: The same while nothing is unfinished, and nobody's death has to be noticed.
IDLE_KEEP_ALIVE_SECONDS = 25.0
SHORTEST_WAIT, LONGEST_WAIT, DEFAULT_WAIT = 1, 60, 15


def frame(event: str, data: dict[str, Any], number: int | None = None) -> bytes:
    """One event; with its number, where it has one to go on from."""
    head = f"id: {number}\nevent: {event}\ndata: " if number is not None else f"event: {event}\ndata: "
    return b"%b%b\n\n" % (head.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


def timeout_frame(last: int) -> bytes:
    """The last frame of a stream that ends without an end: where to go on."""
    return frame("stream.timeout", {"next_seq": last})


def stream(frames: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """A response that sends these frames as they come."""
    return StreamingHttpResponse(
        frames,
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def since_of(request: HttpRequest) -> int:
    """After which number the client wants to go on; zero for everything.

    Raises:
        Invalid: not a number, or below zero.
    """
    return _number(request, "since", request.headers.get("last-event-id", "0"), 0, 2**62)


def wait_seconds_of(request: HttpRequest) -> int:
    """How long the stream is held without anything to say.

    Raises:
        Invalid: not a number of seconds from 1 to 60.
    """
    return _number(request, "wait_seconds", str(DEFAULT_WAIT), SHORTEST_WAIT, LONGEST_WAIT)


def _number(request: HttpRequest, name: str, default: str, least: int, most: int) -> int:
    text = request.GET.get(name, default)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise Invalid(f"{name} must be a number from {least} to {most}")
    return int(text)
