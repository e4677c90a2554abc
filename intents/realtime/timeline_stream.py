"""The stream of one intent's events: what has happened, then what happens, until it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import monotonic
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from agents.caller import Caller
from intents import wire
from intents.lifecycle import TERMINAL_EVENTS
from intents.realtime import runtime, sse
from intents.realtime.mailbox import Closing
from intents.realtime.observer import Watch
from intents.telemetry import CONNECTIONS

#: How long a stream is held that can have nothing to say. Some clients come again at once, for ever.
ENDED_SECONDS = 2.0


class _Guest:
    """Ends the watch when its key is revoked, or the process ends."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def close(self, closing: Closing) -> None:
        self._watch.close()


def timeline_stream(
    request: HttpRequest, caller: Caller, intent_id: UUID, ended_at_seq: int | None
) -> HttpResponseBase:
    """The events of this intent, which the caller may see, from after `since` on.

    `ended_at_seq` is the number of its terminal event, if it has ended.

    Raises:
        Invalid: since or wait_seconds is not what it can be.
    """
    since, wait_seconds = sse.since_of(request), float(sse.wait_seconds_of(request))
    if ended_at_seq is not None and since >= ended_at_seq:
        wait_seconds = min(wait_seconds, ENDED_SECONDS)
    return sse.stream(_frames(caller.key_id, intent_id, since, wait_seconds))


async def _frames(key_id: str, intent_id: UUID, since: int, wait_seconds: float) -> AsyncIterator[bytes]:
    here = runtime.current()
    last, ends_at = since, monotonic() + wait_seconds
    CONNECTIONS.labels("timeline").inc()
    try:
        async with here.observer.watch(intent_id, after=since) as watch:
            guest = _Guest(watch)
            here.welcome(key_id, guest)
            try:
                while not watch.is_closed and (patience := ends_at - monotonic()) > 0:
                    rows = await watch.next(min(patience, sse.KEEP_ALIVE_SECONDS))
                    for row in rows:
                        last = row["seq"]
                        yield sse.frame(row["type"], wire.event_body(row), last)
                        if row["type"] in TERMINAL_EVENTS:
                            return
                    if not rows and patience > sse.KEEP_ALIVE_SECONDS:
                        yield sse.KEEP_ALIVE
            finally:
                here.see_off(key_id, guest)
        yield sse.timeout_frame(last)
    finally:
        CONNECTIONS.labels("timeline").dec()
