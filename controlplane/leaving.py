"""How a web process leaves without a failed request, so that processes can be restarted one after the other.

First it takes in all who have knocked already, and closes the door. For a moment it goes on serving whoever is inside,
and asks each to come in by another door next time (`Connection: close`). Only then streams are told to reconnect and
what is idle is closed: a connection that a client is about to use again is never closed under it, unless the client
was silent for that whole moment.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Callable
from typing import Any

from controlplane.bodies import Message, Receive, Scope, Send

#: Longer than proxies are told to keep idle connections (docs/proxy.md), so that it is they who close them.
LINGER_SECONDS = 2.0
#: Enough for the loop to accept what is in the listening socket's queue.
KNOCKING_SECONDS = 0.05
LOOK_SECONDS = 0.05

#: Linux's option that gives a socket a filter; the module `socket` has no name for it.
SO_ATTACH_FILTER = 26
#: A program of the classic Berkeley packet filter (Linux: Documentation/networking/filter.rst), which drops segments
#: with the flag SYN and without ACK, and keeps all others. Each instruction: code, jump if true, if false, operand.
NO_NEWCOMERS = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x54, 0, 0, 0x12),  # of these SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)

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
    """Let nobody else knock at a listening socket, and the loop accept all who have.

    Closing a socket resets the connections in its queue, and a proxy may have sent a request on one. So it is not
    enough to accept who is there: until the socket is closed, somebody else may come. Never to be asked for a socket
    that others accept from, too: they will take in whoever is in the queue.
    """
    turn_newcomers_away(listener)
    await asyncio.sleep(KNOCKING_SECONDS)


def turn_newcomers_away(listener: socket.socket) -> None:
    """Have the kernel overlook who asks for a connection from now on; handshakes that have begun go on.

    Who is overlooked asks again after a second, and is refused then, as the socket is closed by that time: a refusal
    harms nobody, for nothing has been sent. Elsewhere than on Linux, the queue is made as short as it can be.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in NO_NEWCOMERS))
    filter_ = struct.pack("HP", len(NO_NEWCOMERS), ctypes.addressof(program))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
    except OSError:
        listener.listen(0)


async def linger(is_anybody_there: Callable[[], bool]) -> None:
    """Wait for those inside to finish and go, but not long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LINGER_SECONDS
    while is_anybody_there() and loop.time() < deadline:  # noqa: ASYNC110 (the server tells of no event)
        await asyncio.sleep(LOOK_SECONDS)
