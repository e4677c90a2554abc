"""Many open pages of the dashboard, lists or intents: says when each was told of which intent, or which event."""

from __future__ import annotations

import asyncio
import re
import time

from bench.clients import http
from bench.clients.process import Configuration, run, tell, told

ROW = re.compile(rb'id="row-([0-9a-f-]{36})" class="intent-row" data-row data-seq="(\d+)"')


#: an event of the intent that the page is about
EVENT = re.compile(rb'id="event-(\d+)" data-seq="(\d+)"')


class OpenPage:
    """One stream, and when what was first in it."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.seen: dict[str, float] = {}
        self._pattern = pattern
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        now = time.monotonic()
        whole, _, self._rest = (self._rest + chunk).rpartition(b"\n\n")
        for found in self._pattern.finditer(whole):
            self.seen.setdefault(f"{found[1].decode()} {found[2].decode()}", now)


async def main(of: Configuration) -> None:
    paths: list[str] = of["paths"]
    pages = [OpenPage(EVENT if "after=" in path else ROW) for path in paths]
    readings = []
    for each, path in zip(pages, paths, strict=True):
        connection = await http.connect(of["url"], of["key"], cookie=of["cookie"])
        readings.append(asyncio.create_task(connection.get(path, each.feed)))
        await connection.is_answered.wait()
    tell(open=len(pages))
    while await told() == "seen":
        for reading in readings:
            if reading.done():
                raise RuntimeError(f"a stream ended: {reading.result()!r}")
        tell(seen=[each.seen for each in pages])
        for each in pages:
            each.seen.clear()


if __name__ == "__main__":
    run(main)
