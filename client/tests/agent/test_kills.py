"""Fifty steps, and an agent that is killed again and again: no step that is done is done again."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure import Client

KILLS = int(os.environ.get("PERDURE_KILLS", "24"))
STEPS = 50


def test_killed_at_steps_and_within_them_it_goes_on_where_it_was(
    client: Client,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[[Path], list[str]],
    wait_until: Callable[..., Any],
) -> None:
    chance, notes, kills = random.Random(1), tmp_path / "notes", 0
    while kills < KILLS:
        before = len(noted(notes))
        here = min(12, KILLS - kills)
        payload = {"steps": STEPS, "pause": 0.03}
        intent = client.submit("test.steps.v1", address, payload, max_delivery_attempts=20)

        def effects(since: int = before) -> list[str]:
            return [line for line in noted(notes)[since:] if line.startswith("effect")]

        for number in range(here):
            agent = start()
            wanted = len(effects()) + chance.randint(1, 3)
            # Every other time between two steps, else within one.
            end = "done" if number % 2 else "effect"
            wait_until(
                lambda: len(effects()) >= wanted and noted(notes)[-1].startswith(end),  # noqa: B023
                30,
                "the agent goes on",
            )
            agent.kill()
        last = start()
        assert client.wait(intent.id, timeout=60).outcome() == {"sum": sum(n * n for n in range(STEPS))}
        last.kill()
        kills += here
        times = Counter(effects())
        assert len(times) == STEPS
        assert times.total() - STEPS <= here, "more than one step was repeated for one kill"
        _nothing_done_is_done_again(noted(notes)[before:])


def _nothing_done_is_done_again(lines: list[str]) -> None:
    done: set[str] = set()
    for line in lines:
        what, number = line.split()
        assert what == "done" or number not in done, f"step {number} was done, and was done again"
        if what == "done":
            done.add(number)
