"""How a client process talks to the bench: its configuration is an argument, what it is told and says are lines."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

Configuration = dict[str, Any]


def configuration() -> Configuration:
    found: Configuration = json.loads(sys.argv[1])
    return found


def tell(**facts: Any) -> None:
    """Say something to the bench."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def told() -> str:
    """Wait for the bench's next word; empty when it is gone."""
    line: str = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.strip()


def run(main: Callable[[Configuration], Coroutine[Any, Any, None]]) -> None:
    """Run a client until it is done; what goes wrong is told."""
    try:
        uvloop.run(main(configuration()))
    except Exception as error:  # noqa: BLE001 - it is told, whatever it is
        tell(error=f"{error!r}\n{traceback.format_exc(limit=-4)}")


class Processor:
    """How much processor time this process has used since it was asked to count."""

    def __init__(self) -> None:
        self._start = time.process_time()

    @property
    def seconds(self) -> float:
        return time.process_time() - self._start
