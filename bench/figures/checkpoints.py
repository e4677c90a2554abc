"""How fast steps are saved: pipelines of four at once over one websocket, each step on disk before the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency

PIPELINES = 32
#: Enough to do for as long as is measured.
BACKLOG = 20_000


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Checkpoints per second, and how long one takes meanwhile."""
    address, key = perdure.agent("bench-steps", PIPELINES)
    agent_id = perdure.database.agent_id(address)
    rates: list[float] = []
    waits: list[float] = []
    costs: list[dict[str, float]] = []
    for _ in range(options.rounds):
        perdure.database.clean()
        perdure.database.fill(BACKLOG, [agent_id], ended=False)
        of = {"url": perdure.socket_url, "key": key, "address": address, "max_in_flight": PIPELINES}
        with Client("agent_steps", **of) as agent:
            agent.read()
            before = perdure.cpu_seconds()
            time.sleep(options.seconds)
            after = perdure.cpu_seconds()
            said = agent.ask("stop")
        rates.append(len(said["waits"]) / said["seconds"])
        waits += said["waits"]
        processor = {part: after[part] - before.get(part, 0) for part in after}
        processor["agent"] = said["processor_seconds"]
        costs.append({part: used / len(said["waits"]) for part, used in processor.items()})
    perdure.database.clean()
    note = f"{PIPELINES} pipelines of 4 steps at once"
    yield Figure("checkpoints.rate", median(rates), "checkpoints/s", note=note, runs=rates)
    yield latency("checkpoints.saved", waits, note=note)
    if options.cpu:
        for part in costs[0]:
            cost = median(each.get(part, 0.0) for each in costs)
            yield Figure(f"checkpoints.cpu_{part}", cost * 1e6, "µs/checkpoint")
