"""Many open lists of the dashboard: says when each was told of which intent."""

from __future__ import annotations

import asyncio
import re
import time

from bench.clients import http
from bench.clients.process import Configuration, run, tell, told

ROW = re.compile(rb'id="row-([0-9a-f-]{36})" class="intent-row" data-row data-seq="(\d+)"')


class OpenList:
    """One stream, and when what was first in it."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        now = time.monotonic()
        whole, _, self._rest = (self._rest + chunk).rpartition(b"\n\n")
        for found in ROW.finditer(whole):
            self.seen.setdefault(f"{found[1].decode()} {found[2].decode()}", now)


async def main(of: Configuration) -> None:
    lists = [OpenList() for _ in range(of["count"])]
    readings = []
    for each in lists:
        connection = await http.connect(of["url"], of["key"], cookie=of["cookie"])
        readings.append(asyncio.create_task(connection.get(of["path"], each.feed)))
        await connection.is_answered.wait()
    tell(open=len(lists))
    while await told() == "seen":
        for reading in readings:
            if reading.done():
                raise RuntimeError(f"a stream ended: {reading.result()!r}")
        tell(seen=[each.seen for each in lists])
        for each in lists:
            each.seen.clear()


if __name__ == "__main__":
    run(main)
