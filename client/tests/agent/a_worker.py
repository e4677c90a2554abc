"""An agent to be killed: it notes each thing it does in a file, and does what the payload says."""

import asyncio
import os
import sys
import time
from pathlib import Path

from perdure import Agent, Canceled, Delivery, Fatal, LeaseLost

address, notes, kind = sys.argv[1:]
agent = Agent(address, max_in_flight=4, drain_seconds=20)


def note(what: str) -> None:
    with Path(notes).open("a") as file:
        file.write(f"{what}\n")
        file.flush()
        os.fsync(file.fileno())


def fail_if_asked(delivery: Delivery) -> None:
    if delivery.payload.get("raise") == "fatal":
        raise Fatal("of no use", code="bad_rows", rows=3)
    if delivery.attempt < delivery.payload.get("fails_until", 0):
        raise ValueError("not yet")


def work(delivery: Delivery) -> object:
    note(f"begin {delivery.attempt}")
    fail_if_asked(delivery)
    try:
        until = time.monotonic() + delivery.payload.get("seconds", 0)
        while time.monotonic() < until:
            delivery.check()
            time.sleep(0.02)
        delivery.check()
    except (LeaseLost, Canceled) as error:
        note(type(error).__name__)
        raise
    note(f"end {delivery.attempt}")
    return {"kind": "sync", "attempt": delivery.attempt, **delivery.payload.get("result", {})}


async def work_async(delivery: Delivery) -> object:
    note(f"begin {delivery.attempt}")
    fail_if_asked(delivery)
    try:
        await asyncio.sleep(delivery.payload.get("seconds", 0))
    except (LeaseLost, Canceled) as error:
        note(type(error).__name__)
        raise
    note(f"end {delivery.attempt}")
    return {"kind": "async", "attempt": delivery.attempt}


@agent.handler("test.steps.v1")
def in_steps(delivery: Delivery) -> object:
    pause = delivery.payload["pause"]

    def effect(number: int) -> int:
        note(f"effect {number}")
        time.sleep(pause)
        return number * number

    squares = []
    with delivery.steps() as step:
        known = step.done
        for number in range(delivery.payload["steps"]):
            name = f"step-{number:03}"
            squares.append(step(name, effect, number))
            if name not in known:
                note(f"done {number}")
                time.sleep(pause)
    return {"sum": sum(squares)}


@agent.handler("test.too_large.v1")
def too_large(delivery: Delivery) -> object:
    return {"text": "x" * 300_000}


@agent.handler("test.nul.v1")
def with_nul(delivery: Delivery) -> object:
    return {"text": "a\0b"}


agent.handler("test.work.*")(work_async if kind == "async" else work)
agent.run()
