"""Ending background tasks for good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

#: How long one cancellation is given to work before the next.
PATIENCE_SECONDS = 0.2
#: So many do not help; whoever stops is not held up any longer.
TRIES = 10


async def stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel these until they have ended.

    Once is not always enough: a library below that catches a cancellation to tidy up may lose it, and go on waiting.
    """
    running = {task for task in tasks if not task.done()}
    for _ in range(TRIES):
        if not running:
            return
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=PATIENCE_SECONDS)
