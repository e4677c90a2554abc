"""How fast steps are saved: pipelines of four at once over one websocket, each step on disk before the next.

The pipelines are submitted meanwhile, by another process, which hands in another when it has seen that one has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from bench.options import Options
from bench.peers.load import PIPELINES
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency

STEPS = 4
#: How many are open: as many as are worked on, and as many again that wait to be begun.
OPEN = 2 * PIPELINES


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Checkpoints per second, and how long one takes meanwhile."""
    rates: list[float] = []
    waits: list[float] = []
    costs: list[dict[str, float]] = []
    for number in range(options.rounds + 1):
        perdure.database.clean()
        said = _run(perdure, options)
        if number:  # the first does not count: it warms up
            rates.append(len(said["waits"]) / said["seconds"])
            waits += said["waits"]
            costs.append({part: used / len(said["waits"]) for part, used in said["processor"].items()})
    perdure.database.clean()
    note = f"{PIPELINES} pipelines of {STEPS} steps at once"
    yield Figure(
        "checkpoints.rate", median(rates), "checkpoints/s", wanted="≥ 5,000/s", note=note, runs=rates
    )
    yield latency("checkpoints.saved", waits, parts=options.rounds, note=note)
    if options.cpu:
        for part in costs[0]:
            cost = median(each.get(part, 0.0) for each in costs)
            yield Figure(f"checkpoints.cpu_{part}", cost * 1e6, "µs/checkpoint")


def _run(perdure: Perdure, options: Options) -> dict[str, Any]:
    """What the agent says of one run, in which each pipeline that was submitted has ended; with processor seconds."""
    address, key = perdure.agent("bench-steps", PIPELINES)
    agent_of = {"url": perdure.socket_url, "key": key, "address": address, "max_in_flight": PIPELINES}
    submitter_of = {"url": perdure.socket_url, "key": perdure.key, "to_agent": address, "frame": 1}
    limits = {"window": OPEN, "at_once": PIPELINES, "seconds": options.seconds}
    with (
        Client("agent_steps", **agent_of) as agent,
        Client("submit_websocket", **submitter_of, **limits) as submitter,
    ):
        agent.read()
        submitter.read()
        before = perdure.cpu_seconds()
        done = submitter.ask("go", options.seconds + 60)
        after = perdure.cpu_seconds()
        said = agent.ask("stop")
    if len(said["waits"]) != STEPS * done["count"]:
        raise RuntimeError(f"{done['count']} pipelines ended, but {len(said['waits'])} steps were saved")
    processor = {part: after[part] - before.get(part, 0) for part in after}
    processor |= {"submitter": done["processor_seconds"], "agent": said["processor_seconds"]}
    return {**said, "seconds": done["seconds"], "processor": processor}
