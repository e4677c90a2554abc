"""An agent written with the package `perdure`: several intents at a time, in steps that are done once."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any

from perdure import Agent, Delivery

from tests.chaos.clients.markers import tenants_in
from tests.chaos.history import Journal

agent = Agent(os.environ["CHAOS_ADDRESS"], drain_seconds=5)
journal = Journal(Path(os.environ["CHAOS_HISTORY"]), os.environ["CHAOS_NAME"])


@agent.handler("*")
def handle(delivery: Delivery) -> dict[str, Any]:
    run, intent_id = uuid.uuid4().hex[:12], delivery.intent_id
    journal.note(
        "run",
        intent=intent_id,
        run=run,
        attempt=delivery.attempt,
        seq=delivery.data.get("seq"),
        agent="socket",
    )
    payload = delivery.payload
    journal.note("seen", tenants=tenants_in(json.dumps(payload).encode()), tenant=os.environ["CHAOS_TENANT"])
    if payload.get("poison"):
        time.sleep(0.1)  # long enough for the server to hear that it has begun
        os.kill(os.getpid(), signal.SIGKILL)
    with delivery.steps() as step:
        for number in range(int(payload.get("steps", 0))):
            step(f"step-{number}", do, delivery, run, f"step-{number}", float(payload.get("work", 0)))
    time.sleep(float(payload.get("work", 0)))
    return {**_signature(delivery, run), "marker": payload.get("marker")}


def do(delivery: Delivery, run: str, step: str, work: float) -> dict[str, Any]:
    journal.note("step", intent=delivery.intent_id, run=run, step=step, attempt=delivery.attempt)
    time.sleep(work / 2)
    return {**_signature(delivery, run), "step": step}


def _signature(delivery: Delivery, run: str) -> dict[str, Any]:
    """Who wrote this, and in which handing over it was begun: an attempt that was given back has its number again."""
    return {"run": run, "attempt": delivery.attempt, "seq": delivery.data.get("seq")}


if __name__ == "__main__":
    journal.note("started", agent="socket", pid=os.getpid())
    while True:
        try:
            agent.run()
            break
        except Exception as error:  # noqa: BLE001  whatever it is: an agent comes again
            journal.note("disturbed", error=repr(error)[:200])
            time.sleep(0.3)
