"""What happens when a web process starts and stops."""

from __future__ import annotations

import asyncio
import gc
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import structlog

from agents import postgres
from controlplane import idempotency
from controlplane.bodies import Receive, Scope, Send

#: A batch of deliveries makes thousands of objects that reference counts take away again; looking for cycles among
#: them as often as Python does by default cost a twelfth of the process's time.
COLLECTED_AFTER = (25_000, 20, 20)

log = structlog.get_logger(__name__)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI lifespan protocol: settle in, and on the way out end the streams and return the connections."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gc.collect()
            gc.freeze()  # what was imported stays; no collection has to look at it again
            gc.set_threshold(*COLLECTED_AFTER)
            if find_spec("intents.realtime.runtime") is not None:
                import_module("intents.realtime.runtime").serve()
            await postgres.warm_up()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            try:
                await drain()
                await idempotency.settle()
                await postgres.close()
            except Exception:
                log.exception("the process did not stop cleanly")
            await send({"type": "lifespan.shutdown.complete"})
            return


@cache
def _draining(loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    return loop.create_task(_drain())


async def drain() -> None:
    """Let streams and sockets say goodbye and give their leases back; once, however often it is asked for.

    The server asks for it as soon as it is told to stop: it announces its shutdown only when all responses have ended,
    and streams do not end by themselves.
    """
    await _draining(asyncio.get_running_loop())


async def _drain() -> None:
    idempotency.give_up_waiting()
    if find_spec("intents.realtime.runtime") is not None:
        await import_module("intents.realtime.runtime").drain()
