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
    for _ in range(options.rounds):
        perdure.database.clean()
        perdure.database.fill(BACKLOG, [agent_id], ended=False)
        of = {"url": perdure.socket_url, "key": key, "address": address, "max_in_flight": PIPELINES}
        with Client("agent_steps", **of) as agent:
            agent.read()
            time.sleep(options.seconds)
            said = agent.ask("stop")
        rates.append(len(said["waits"]) / said["seconds"])
        waits += said["waits"]
    perdure.database.clean()
    note = f"{PIPELINES} pipelines of 4 steps at once"
    yield Figure("checkpoints.rate", median(rates), "checkpoints/s", note=note, runs=rates)
    yield latency("checkpoints.saved", waits, note=note)
