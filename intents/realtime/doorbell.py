"""The doorbell between processes: "look at agent X", "look at intent Y"; never what is there.

A ring leaves after the commit: to this process's own loops at once, to the others over the channel layer, the first
without delay, those behind it gathered into at most fifty messages a second. Rings may be lost: who waits also looks
by itself once a second. PostgreSQL's NOTIFY is not used: inside a committing transaction it serialises all commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from intents.realtime.stopping import stop
from intents.signals import Changes
from intents.telemetry import RINGS

logger = logging.getLogger(__name__)

GROUP = "perdure.doorbell"
#: The least time between two messages of one process.
PACE_SECONDS = 0.02
#: A doorbell that does not answer by then is taken for broken.
PATIENCE_SECONDS = 1.0
#: Who has found it broken listens again after so long.
DEAF_SECONDS = 1.0
#: A message that would name more says "look at everything".
MOST_NAMED = 5_000


class Doorbell:
    """One process's end of the doorbell."""

    def __init__(self, process: UUID, hear: Callable[[Changes | None], None]) -> None:
        #: called with what another process rang for, or None for "look at everything"
        self._hear = hear
        self._sender = process.hex
        self._unsent = Changes()
        self._has_unsent = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False
        self._last_words: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen and to send."""
        self._tasks = [
            asyncio.create_task(self._send_forever(), name="doorbell send"),
            asyncio.create_task(self._listen_forever(), name="doorbell listen"),
        ]

    async def stop(self) -> None:
        """Say what is unsaid, and listen no more. What is still committed here is told of, each by itself."""
        await stop(self._tasks)
        self._is_over = True
        await self._say_all()

    def ring(self, changes: Changes) -> None:
        """Tell the other processes to look at these, soon."""
        self._unsent.add(changes)
        self._has_unsent.set()
        if self._is_over and not self._last_words:
            task = asyncio.get_running_loop().create_task(self._say_all(), name="doorbell say")
            self._last_words.add(task)
            task.add_done_callback(self._last_words.discard)

    async def _send_forever(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            await self._say()
            await asyncio.sleep(PACE_SECONDS)

    async def _say(self) -> None:
        changes, self._unsent = self._unsent, Changes()
        try:
            await _send(_message(changes, self._sender))
        except Exception as error:  # noqa: BLE001  whatever the layer raises: rings may be lost
            logger.debug("a ring was lost: %r", error)

    async def _say_all(self) -> None:
        while self._unsent:
            await self._say()

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001
                logger.debug("the doorbell is deaf: %r", error)
                await asyncio.sleep(DEAF_SECONDS)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(GROUP, channel)
            self._hear(None)  # whatever was rung before
            while True:
                message = await layer.receive(channel)
                if message["sender"] != self._sender:
                    self._hear(_changes(message))
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await layer.group_discard(GROUP, channel)


def ring_from_sync(changes: Changes) -> None:
    """Tell the web processes, from one that has no event loop: a worker, a command."""
    try:
        async_to_sync(_send)(_message(changes, ""))
    except Exception as error:  # noqa: BLE001
        logger.debug("a ring was lost: %r", error)


async def _send(message: dict[str, Any]) -> None:
    # Not wait_for: that of Python 3.11 forgets a cancellation that meets the end of what it waits for.
    async with asyncio.timeout(PATIENCE_SECONDS):
        await get_channel_layer().group_send(GROUP, message)
    RINGS.inc()


def _message(changes: Changes, sender: str) -> dict[str, Any]:
    if len(changes.agents) + len(changes.intents) > MOST_NAMED:
        return {"type": "ring", "sender": sender, "everything": True, "keys": list(changes.keys)}
    return {
        "type": "ring",
        "sender": sender,
        "agents": list(changes.agents),
        "intents": _packed(changes.intents),
        "ended": _packed(changes.ended),
        "keys": list(changes.keys),
        "switched": list(changes.switched),
    }


def _changes(message: dict[str, Any]) -> Changes | None:
    if message.get("everything"):
        return None
    return Changes(
        set(message["agents"]),
        _unpacked(message["intents"]),
        _unpacked(message["ended"]),
        set(message["keys"]),
        set(message["switched"]),
    )


def _packed(ids: set[UUID]) -> bytes:
    return b"".join([each.bytes for each in ids])


def _unpacked(packed: bytes) -> set[UUID]:
    return {UUID(bytes=packed[start : start + 16]) for start in range(0, len(packed), 16)}
