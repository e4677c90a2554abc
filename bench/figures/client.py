"""What is left of the server's speed for those who use the package `perdure`, by the load that peers get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench.figures.latency import RATE
from bench.options import Options
from bench.peers.load import FRAME, WINDOW
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """One call each, in batches, the wait for the handler, and steps."""
    for name, frame in (("single", 1), ("batched", FRAME)):
        words = f"press {options.seconds} {frame}"
        rates = _rates(perdure, ("worker", "submitter"), words, options)
        yield Figure(f"client.{name}", median(rates), "lifecycles/s", runs=rates)
    perdure.database.clean()
    seconds = options.seconds * options.rounds
    with ExitStack() as running:
        worker, submitter = _started(running, perdure, ("worker", "submitter"))
        warm = submitter.ask(f"pace 1 {RATE}")["count"]
        submitter.ask(f"pace {seconds} {RATE}", seconds + 60)
        waits = worker.ask("stop")["start"][warm:]
    yield latency("client.start", waits, parts=options.rounds)
    rates = _rates(perdure, ("steps",), f"go {options.seconds}", options)
    yield Figure("client.checkpoints", median(rates), "checkpoints/s", runs=rates)


def _rates(perdure: Perdure, roles: Sequence[str], words: str, options: Options) -> list[float]:
    """What was counted a second in each round, on clean tables; one before them does not count."""
    patience, rates = options.seconds + 120, []
    with ExitStack() as running:
        doing = _started(running, perdure, roles)[-1]
        doing.ask(words, patience)
        for _ in range(options.rounds):
            perdure.database.clean()
            done = doing.ask(words, patience)
            rates.append(done["count"] / done["seconds"])
    return rates


def _started(running: ExitStack, perdure: Perdure, roles: Sequence[str]) -> list[Client]:
    address, key = perdure.agent("bench-client", WINDOW)
    of: dict[str, Any] = {"peer": "perdure", "url": perdure.url, "key": perdure.key}
    of |= {"agent_key": key, "address": address}
    clients: list[Client] = [running.enter_context(_Client("load", role=role, **of)) for role in roles]
    for client in clients:
        client.read()
    return clients


class _Client(Client):
    package = "bench.peers"
