"""How many tasks a web process has: it is asked by a signal, and answers with a file. The product has no part in it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.servers import wait_until

ASKED = signal.SIGUSR2


def answer(path: Path) -> None:
    """From now on, whenever asked, write down which tasks there are."""

    def write(*_: Any) -> None:
        try:
            names = Counter(_name(task) for task in asyncio.all_tasks())
        except RuntimeError:  # the loop does not run yet, or no more
            names = Counter()
        fresh = path.with_suffix(".fresh")
        fresh.write_text(json.dumps({"pid": os.getpid(), "tasks": names.total(), "names": dict(names)}))
        fresh.replace(path)

    signal.signal(ASKED, write)


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "?")


def take(pid: int, path: Path) -> int:
    """How many tasks the process has, now."""
    path.unlink(missing_ok=True)
    os.kill(pid, ASKED)
    told = json.loads(
        wait_until(lambda: path.read_text() if path.exists() else "", 60, f"{pid} counts its tasks")
    )
    path.replace(path.with_name(f"{path.stem}-{told['tasks']}-tasks.json"))
    return int(told["tasks"])
