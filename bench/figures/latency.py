"""How soon, at a rate that keeps nobody busy: from submission to the handler's start, and to the result seen.

And the same at half of what one Perdure can do, one intent a frame.

Submission and handler are in different processes of one machine, whose monotonic clock they share; the time of the
submission travels in the payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.figures import throughput
from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency

RATE = 20
#: figure → how the submitter speaks, the handler's module, what is wanted of the start
WAYS = {
    "latency_websocket": ("websocket", "agent_websocket", "p50 ≤ 3, p99 ≤ 6"),
    "latency_sse": ("http", "agent_http", "p50 ≤ 8, p99 ≤ 20"),
    "latency_axme": ("http", "agent_axme", "p50 ≤ 8, p99 ≤ 20"),
}


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Those of the chosen ways."""
    for name, (by, module, wanted) in WAYS.items():
        if options.wants(name):
            perdure.database.clean()
            waits = measure(perdure, by, module, options.seconds * options.rounds)
            parts = options.rounds
            yield latency(f"{name}.start", waits["start"], parts=parts, wanted=wanted)
            yield latency(f"{name}.seen", waits["seen"], parts=parts, wanted="p50 ≤ 10")
            yield latency(f"{name}.accepted", waits["accepted"], parts=parts)
    if options.wants("latency_loaded"):
        yield from loaded(perdure, options)


def loaded(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """By websocket, at half of saturation, which is measured right before."""
    bench = throughput.Bench(perdure, options)
    bench.websocket_single()
    perdure.database.clean()
    rate = bench.websocket_single().rate / 2
    perdure.database.clean()
    runs = [
        measure(perdure, "websocket", "agent_websocket", options.seconds, rate) for _ in range(options.rounds)
    ]
    note = f"at {sum(len(run['seen']) for run in runs) / options.seconds / len(runs):,.0f}/s"
    for what, wanted in (("start", "p99 ≤ 50"), ("seen", ""), ("accepted", "")):
        waits = [wait for run in runs for wait in run[what]]
        yield latency(f"latency_loaded.{what}", waits, parts=len(runs), wanted=wanted, note=note)


def measure(
    perdure: Perdure, by: str, module: str, seconds: float, rate: float = RATE
) -> dict[str, list[float]]:
    """The waits of one way, in seconds: until accepted, until the handler's start, until the result is seen."""
    address, key = _agent(perdure, module)
    in_flight = 16 if rate == RATE else 256
    of: dict[str, Any] = {"key": key, "address": address}
    of["url"] = perdure.socket_url if module == "agent_websocket" else perdure.url
    of |= {"batched": True, "max_in_flight": in_flight, "connections": 4}
    pace: dict[str, Any] = {
        "by": by,
        "url": perdure.url,
        "socket_url": perdure.socket_url,
        "key": perdure.key,
    }
    pace |= {"to_agent": address, "rate": rate}
    with Client(module, **of) as agent:
        agent.read()
        with Client("pace", seconds=1, **pace) as warming:
            warming.read()
            warm = warming.ask("go")["sent"]
        with Client("pace", seconds=seconds, **pace) as submitter:
            submitter.read()
            done = submitter.ask("go", seconds + 60)
        said = agent.ask("stop")
    if len(done["waits"]) != done["sent"]:
        raise RuntimeError(f"{done['sent']} were submitted, but {len(done['waits'])} results seen")
    return {"start": said["waits"][warm:], "seen": done["waits"], "accepted": done["answers"]}


def _agent(perdure: Perdure, module: str) -> tuple[str, str]:
    """The agent of this way."""
    return perdure.agent(module.replace("_", "-"), 1 if module == "agent_axme" else 256)
