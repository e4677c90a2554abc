"""How soon work goes on after kill -9 of an agent that comes back at once, over and over with the same intent."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency

#: figure → the agent's module
AGENTS = {"redelivery_axme": "mortal_axme", "redelivery_websocket": "mortal_websocket"}


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """For each way of connecting: from the first call of the new process, and from its start."""
    for name, module in AGENTS.items():
        if options.wants(name):
            after_connect, after_start = measure(perdure, module, options.kills)
            yield latency(f"{name}.from_reconnect", after_connect, wanted="p99 ≤ 100")
            yield latency(f"{name}.from_process_start", after_start, wanted="p99 ≤ 1000")


def measure(perdure: Perdure, module: str, kills: int) -> tuple[list[float], list[float]]:
    """The waits after each kill, in seconds: from the connect, and from the start of the process."""
    address, key = perdure.agent(module.replace("_", "-"))
    url = perdure.socket_url if module == "mortal_websocket" else perdure.url
    intent = perdure.call(
        "POST",
        "/v1/intents",
        intent_type="bench.work.v1",
        correlation_id="00000000-0000-4000-8000-000000000000",
        to_agent=address,
        payload={"rows": 500_000},
        max_delivery_attempts=kills + 10,
    )
    after_connect, after_start = [], []
    for kill in range(kills + 1):
        started_at = time.monotonic()
        agent = Client(module, url=url, key=key, address=address)
        try:
            connects_at = agent.read()["connects_at"]
            said = agent.read()
            if said["attempt"] != kill + 1:
                raise RuntimeError(f"after {kill} kills this was attempt {said['attempt']}")
            if kill:  # the first start is no redelivery
                after_connect.append(said["handler_at"] - connects_at)
                after_start.append(said["handler_at"] - started_at)
            time.sleep(random.uniform(0.01, 0.06))  # in the middle of its work
        finally:
            agent.kill()
    perdure.call("POST", f"/v1/intents/{intent['intent_id']}/resolve", status="CANCELED", reason="measured")
    return after_connect, after_start
