"""What happens when a web process starts and stops."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any

import structlog

from agents import postgres
from controlplane.bodies import Receive, Scope, Send

log = structlog.get_logger(__name__)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI lifespan protocol: settle in, and on the way out end the streams and return the connections."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            drain_on_signals()
            gc.collect()
            gc.freeze()  # what was imported stays; no collection has to look at it again
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            try:
                await drain()
                await postgres.close()
            except Exception:
                log.exception("the process did not stop cleanly")
            await send({"type": "lifespan.shutdown.complete"})
            return


def drain_on_signals() -> None:
    """Begin to drain as soon as the signal arrives.

    A server announces its shutdown only when all responses have ended, and streams do not end by themselves: they
    have to hear of it from the signal. The server's own handler runs as before.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def stop(received: int, frame: FrameType | None, before: Any = before) -> None:
            loop.call_soon_threadsafe(lambda: asyncio.ensure_future(drain()))
            if callable(before):
                before(received, frame)

        signal.signal(number, stop)


@cache
def _draining(loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    return loop.create_task(_drain())


async def drain() -> None:
    """Let streams and sockets say goodbye and give their leases back; once, however often it is asked for."""
    await _draining(asyncio.get_running_loop())


async def _drain() -> None:
    if find_spec("intents.realtime.runtime") is not None:
        await import_module("intents.realtime.runtime").drain()
