"""A TCP proxy in a process of its own that breaks what goes through it as it is told.

    python -m tests.chaos.proxy '{"routes": {"db": {"fd": 7, "to": ["/run/pg.sock"]}}}'

Each route has a listening socket, which was handed down, and passes connections to its targets in turns, to those that
take them. It is told `{"route": "db", "mode": "freeze"}` on standard input, and answers with a line when that is done.

| mode | what happens |
| --- | --- |
| pass | everything goes through |
| freeze | nothing goes either way, nothing is closed: a partition without a FIN |
| mute | requests arrive, answers vanish; what was muted is cut when that ends |
| slow | answers trickle |
| cut | every connection is reset, and later ones too |
| deaf | messages of Valkey's channels vanish, all else goes through |
| shuffle | messages of Valkey's channels come twice and in another order |
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
from itertools import count
from typing import Any

from tests.chaos.resp import Messages

CHUNK = 64 * 1024
TRICKLE_BYTES, TRICKLE_SECONDS = 200, 0.05


class Route:
    """One listening port, and how it treats what goes through."""

    def __init__(self, name: str, listener: socket.socket, targets: list[str]) -> None:
        self.name, self.listener, self.targets = name, listener, targets
        self.mode = "pass"
        self._open = asyncio.Event()
        self._open.set()
        self._turns = count()
        self._writers: set[asyncio.StreamWriter] = set()
        self._muted: set[asyncio.StreamWriter] = set()
        self.random = random.Random(name)
        #: what the present mode has treated: chunks of answers, or the connections that were there when it began
        self.touched = 0

    async def listen(self) -> None:
        await asyncio.start_server(self._serve, sock=self.listener, backlog=2048)

    def become(self, mode: str) -> int:
        """Treat connections like that from now on; how much was treated in the way before."""
        before, self.mode = self.mode, mode
        touched, self.touched = self.touched, len(self._writers) // 2 if mode in ("freeze", "cut") else 0
        (self._open.clear if mode == "freeze" else self._open.set)()
        if before == "mute":
            self._abort(self._muted)
        if mode == "cut":
            self._abort(self._writers)
        return touched

    def _abort(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in list(writers):
            _reset(writer)
        writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            if self.mode == "cut":
                raise ConnectionError("cut")
            there, back = await self._connect()
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, back}
        up = asyncio.ensure_future(self._pump(reader, back, writer, is_answer=False))
        down = asyncio.ensure_future(self._pump(there, writer, back, is_answer=True))
        await asyncio.wait({up, down})
        self._writers -= {writer, back}
        self._muted -= {writer, back}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        start = next(self._turns)
        for number in range(len(self.targets)):
            target = self.targets[(start + number) % len(self.targets)]
            with contextlib.suppress(OSError):
                if target.startswith("/"):
                    return await asyncio.open_unix_connection(target)
                host, port = target.rsplit(":", 1)
                return await asyncio.open_connection(host, int(port))
        raise ConnectionError("nobody is there")

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        """Pass on what comes, until it ends; then let the other side know."""
        messages = Messages(self.random)
        try:
            while data := await reader.read(CHUNK):
                await self._open.wait()
                if is_answer and self.mode != "pass":
                    self.touched += 1
                if is_answer and self.mode == "mute":
                    self._muted |= {writer, other}
                    continue
                if is_answer and self.mode == "slow":
                    await self._trickle(writer, data)
                    continue
                if is_answer and self.mode in ("deaf", "shuffle"):
                    data = messages.treat(data, self.mode)
                elif is_answer:
                    data = messages.rest() + data
                writer.write(data)
                await writer.drain()
            await self._open.wait()
            if writer.can_write_eof():
                writer.write_eof()
            if is_answer:
                writer.close()
        except (OSError, RuntimeError, ValueError):
            _reset(writer)
            _reset(other)

    async def _trickle(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for start in range(0, len(data), TRICKLE_BYTES):
            writer.write(data[start : start + TRICKLE_BYTES])
            await writer.drain()
            if self.mode == "slow":
                await asyncio.sleep(TRICKLE_SECONDS)


async def serve(routes: dict[str, Any]) -> None:
    """Run until standard input ends."""
    found = {
        name: Route(name, socket.socket(fileno=given["fd"]), given["to"]) for name, given in routes.items()
    }
    for route in found.values():
        await route.listen()
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say({"listening": len(found)})
    while line := await lines.readline():
        told = json.loads(line)
        route = found[told["route"]]
        touched = route.become(told["mode"])
        _say({"route": route.name, "mode": route.mode, "touched": touched})


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset rather than a goodbye."""
    wire = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])["routes"]))
