"""An agent to be killed: it notes each thing it does in a file, and does what the payload says."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import perdure
from perdure import Agent, Canceled, Client, Delivery, Fatal, LeaseLost

address, notes, kind = sys.argv[1:]
agent = Agent(address, max_in_flight=4, drain_seconds=20)
#: having noted this, it stands still
stop_at = ""


class Notes(logging.Handler):
    """Notes beside all else that there is a connection, and whether websockets are blocked."""

    def emit(self, record: logging.LogRecord) -> None:
        for words in ("connected as", "are blocked"):
            if words in record.getMessage():
                Path(f"{notes}.{words.split()[-1]}").touch()


logging.getLogger("perdure.agent").addHandler(Notes())
logging.getLogger("perdure.agent").setLevel(logging.INFO)


def note(what: str) -> None:
    with Path(notes).open("a") as file:
        file.write(f"{what}\n")
        file.flush()
        os.fsync(file.fileno())
    if what == stop_at:
        threading.Event().wait()


def until_told(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds are over, or a test has said that it is enough."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until or Path(f"{notes}.go").exists()


def fail_if_asked(delivery: Delivery) -> None:
    if delivery.payload.get("raise") == "fatal":
        raise Fatal("of no use", code="bad_rows", rows=3)
    if delivery.attempt < delivery.payload.get("fails_until", 0):
        raise ValueError("not yet")


def work(delivery: Delivery) -> object:
    note(f"begin {delivery.attempt}")
    fail_if_asked(delivery)
    try:
        is_over = until_told(delivery.payload.get("seconds", 0))
        while not is_over():
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
        is_over = until_told(delivery.payload.get("seconds", 0))
        while not is_over():  # noqa: ASYNC110  a file says so, which is no event
            await asyncio.sleep(0.02)
    except (LeaseLost, Canceled) as error:
        note(type(error).__name__)
        raise
    note(f"end {delivery.attempt}")
    return {"kind": "async", "attempt": delivery.attempt}


@agent.handler("test.steps.v1")
def in_steps(delivery: Delivery) -> object:

    def effect(number: int) -> int:
        note(f"effect {number}")
        return number * number

    squares = []
    with delivery.steps() as step:
        known = step.done
        for number in range(delivery.payload["steps"]):
            name = f"step-{number:03}"
            squares.append(step(name, effect, number))
            if name not in known:
                note(f"done {number}")
    return {"sum": sum(squares)}


@agent.handler("test.async_steps.v1")
async def in_async_steps(delivery: Delivery) -> object:
    async def double(number: int) -> int:
        note(f"effect {number}")
        await asyncio.sleep(0)
        return number * 2

    async with delivery.steps() as step:
        before = step.done
        both = await asyncio.gather(step("a", double, 1), step("b", double, 2))
        text = await step.using(perdure.codecs.BYTES, "c", lambda: b"\x00\xff")
        async with step.step("d") as block:
            if not block.is_done:
                await block.save({"n": 3})
        if delivery.attempt < delivery.payload.get("fails_until", 0):
            raise ValueError("not yet")
        return {"both": both, "text": list(text), "block": block.value, "before": before}


@agent.handler("test.late.v1")
def late(delivery: Delivery) -> object:
    """Hangs within a step; who hangs does not hear that the lease is lost, and saves all the same."""
    note(f"lease {delivery.data['lease']}")

    def slowly() -> int:
        note("in the step")
        while not Path(f"{notes}.go").exists():
            time.sleep(0.01)
        return delivery.attempt

    with Client() as client, perdure.steps(client, delivery.intent_id, lease=delivery.data["lease"]) as step:
        try:
            return {"attempt": step("slow", slowly)}
        except LeaseLost as error:
            note(f"refused: {error.status} {error.code}")
            raise


@agent.handler("test.report.v1")
def report(delivery: Delivery) -> object:
    for tokens in (100, 23):
        delivery.report(cost_usd=0.5, tokens=tokens, model="small-1")
    return {}


@agent.handler("test.large.v1")
def large(delivery: Delivery) -> object:
    with delivery.steps() as step:
        before = step.done
        size = step("value", lambda: "x" * delivery.payload["size"])
        if delivery.attempt < delivery.payload.get("fails_until", 0):
            raise ValueError("not yet")
    return {"size": len(size), "before": before, "payload": len(str(delivery.payload))}


@agent.handler("test.too_large.v1")
def too_large(delivery: Delivery) -> object:
    return {"text": "x" * 300_000}


@agent.handler("test.nul.v1")
def with_nul(delivery: Delivery) -> object:
    return {"text": "a\0b"}


agent.handler("test.work.*")(work_async if kind == "async" else work)
if kind == "many":
    # A process for each line, begun by this one, which has loaded everything. Nobody waits for those that were killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (process := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            stop_at = line.strip()
            agent.run()
            sys.exit()
        print(process, flush=True)
else:
    stop_at = sys.stdin.readline().strip()
    agent.run()
