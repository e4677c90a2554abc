"""How a web process leaves without a failed request, so that processes can be restarted one after the other.

First it takes in all who have knocked already, and closes the door. For a moment it goes on serving whoever is inside,
and asks each to come in by another door next time (`Connection: close`). Only then streams are told to reconnect and
what is idle is closed: a connection that a client is about to use again is never closed under it, unless the client
was silent for that whole moment.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from controlplane.bodies import Message, Receive, Scope, Send

#: Longer than proxies are told to keep idle connections (docs/proxy.md), so that it is they who close them.
LINGER_SECONDS = 2.0
#: Enough for the loop to accept what is in the listening socket's queue.
KNOCKING_SECONDS = 0.05
LOOK_SECONDS = 0.05

CLOSE = (b"connection", b"close")


class Leaving:
    """Serves an application; once it has begun to leave, every answer is the last of its connection."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, self._last_words(send) if self.has_begun else send)

    def _last_words(self, send: Send) -> Send:
        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [header for header in message.get("headers", ()) if header[0] != b"connection"]
                message["headers"] = [*headers, CLOSE]
            await send(message)

        return say


async def admit_the_last(listener: socket.socket) -> None:
    """Let nobody else join the queue of a listening socket, and the loop accept who is in it.

    Closing a socket resets the connections in its queue, and a proxy may have sent a request on one. Never to be asked
    for a socket that others accept from, too: they will take in whoever is in the queue.
    """
    listener.listen(0)
    await asyncio.sleep(KNOCKING_SECONDS)


async def linger(is_anybody_there: Callable[[], bool]) -> None:
    """Wait for those inside to finish and go, but not long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LINGER_SECONDS
    while is_anybody_there() and loop.time() < deadline:  # noqa: ASYNC110 (the server tells of no event)
        await asyncio.sleep(LOOK_SECONDS)
