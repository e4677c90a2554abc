"""Whether cost grows with what is stored: the same calls with empty tables and with millions of finished intents."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.figures import latency
from bench.options import Options
from bench.perdure import Perdure
from bench.report import Figure

#: How many are filled in by one statement.
PORTION = 100_000
LISTS = 100


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Medians with so many intents stored; the ratio is to the same with few, so one is best."""
    few = _measure(perdure, options)
    others = [perdure.database.agent_id(perdure.agent(f"past-{number}")[0]) for number in range(20)]
    for _ in range(0, options.large, PORTION):
        perdure.database.fill(PORTION, others, ended=True)
    many = _measure(perdure, options)
    for name, value in many.items():
        note = f"with {options.large:,} finished intents"
        yield Figure(f"size.{name}", value * 1000, "ms", ratio=value / few[name], note=note)


def _measure(perdure: Perdure, options: Options) -> dict[str, float]:
    waits = latency.measure(perdure, "websocket", "agent_websocket", options.seconds * options.rounds / 2)
    return {
        "submit": median(waits["accepted"]),
        "start": median(waits["start"]),
        "seen": median(waits["seen"]),
        "list": median(_list(perdure) for _ in range(LISTS)),
    }


def _list(perdure: Perdure) -> float:
    started = time.monotonic()
    perdure.call("GET", "/v1/intents?limit=50")
    return time.monotonic() - started
