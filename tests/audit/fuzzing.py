"""Frames that no client would send, tens of thousands of them: the websocket answers or closes, and stays well.

The same seed sends the same frames; PERDURE_SEED chooses it, PERDURE_FRAMES how many there are.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.audit.verdicts import Found
from tests.controlplane.bad_frames import BAD_FRAMES
from tests.intents.realtime.sockets import Socket
from tests.live import Account, Operator, complaints
from tests.servers import Perdure

FRAMES = int(os.environ.get("PERDURE_FRAMES", "20000"))
BURST = 100
#: for an answer, also on a busy machine
PATIENCE = 120
#: Codes with which a server says whose fault it was; 1011 would be its own.
CLIENTS_FAULT = frozenset({1002, 1003, 1007, 1008, 1009, *range(4400, 4500)})
KINDS = """hello submit watch acknowledge complete fail release extend checkpoint report heartbeat pong welcome
    result x""".split()
FIELDS = """type ref address max_in_flight client intents watch intent_id lease result error retryable delay
    deliveries items step value value_base64 content_type cost_usd tokens model details payload to_agent intent_type
    x""".split()
TEXTS = (
    "",
    "a",
    "\u0000",
    "\ud800",
    "é" * 9,
    "../..",
    "agent://",
    "' OR 1=1",
    "{{7*7}}",
    "%s",
    "x" * 5000,
    "\u2028",
    "1e999",
)


class Inventor:
    """Makes up frames."""

    def __init__(self, seed: int, worker: Account) -> None:
        self.random = random.Random(seed)
        self.worker = worker

    def frame(self) -> str | bytes:
        """One frame: mostly JSON that is nearly right, now and then something else altogether."""
        chance = self.random.random()
        if chance < 0.70:
            return json.dumps(self.message())
        if chance < 0.80:
            text = json.dumps(self.message())
            at = self.random.randrange(len(text) + 1)
            return (
                text[:at]
                + self.random.choice(['"', "}", "\\", "\x00", "é", ""])
                + text[at + self.random.randrange(3) :]
            )
        if chance < 0.90:
            return self.random.choice(BAD_FRAMES)
        if chance < 0.97:
            return "".join(
                chr(self.random.choice([*range(32, 127), 0, 10, 233, 0x1F600]))
                for _ in range(self.random.randrange(60))
            )
        if chance < 0.999:
            return "[" * self.random.randrange(200) + "]" * self.random.randrange(200)
        return self.random.randbytes(20)

    def message(self) -> Any:
        message = {"type": self.random.choice(KINDS)}
        for _ in range(self.random.randrange(7)):
            message[self.random.choice(FIELDS)] = self.value(3)
        if self.random.random() < 0.3:
            message["ref"] = f"r{self.random.randrange(9)}"
        return message if self.random.random() < 0.97 else self.value(3)

    def value(self, depth: int) -> Any:
        """Anything that JSON can say."""
        choice = self.random.randrange(9 if depth else 7)
        match choice:
            case 0:
                return self.random.choice([None, True, False])
            case 1:
                return self.random.choice([0, -1, 1, 2**31, 2**63, 10**30, 0.5, -1e300, 1e-300])
            case 2:
                return self.random.choice(TEXTS)
            case 3:
                return self.random.choice(
                    [self.worker.address, self.worker.name, "test.work.v1", "application/json"]
                )
            case 4:
                return f"{self.random.getrandbits(128):032x}"
            case 5 | 6:
                return self.random.choice(FIELDS)
            case 7:
                return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
            case _:
                return {
                    self.random.choice(FIELDS): self.value(depth - 1) for _ in range(self.random.randrange(4))
                }


def frames() -> str:
    """Send them all, over many connections; afterwards everything works as before, and no error was logged."""
    seed = int(os.environ.get("PERDURE_SEED", "20261123"))
    closed: Counter[int] = Counter()
    with Perdure(web=1, worker=False) as perdure, Operator.of(perdure) as operator:
        worker = operator.register()
        inventor = Inventor(seed, worker)
        heard = 0
        while heard < FRAMES:
            with _open(perdure, worker if closed.total() % 2 else None, operator) as connection:
                try:
                    while heard < FRAMES:
                        for _ in range(BURST):
                            connection.send(inventor.frame())
                        _still_there(connection)
                        heard += BURST
                except ConnectionClosed as end:
                    code = end.rcvd.code if end.rcvd else 1006
                    closed[code] += 1
                    if code not in CLIENTS_FAULT:
                        raise Found(
                            f"seed {seed}: after {heard} frames the socket ended with {code}"
                        ) from None
        if httpx.get(f"{perdure.base_url}/healthz/ready", timeout=PATIENCE).status_code != 200:
            raise Found(f"seed {seed}: the server is not ready any more")
        if errors := complaints(perdure):
            raise Found(f"seed {seed}: " + "\n".join(errors[:5]))
        fresh = operator.register()
        with Socket(perdure.base_url, fresh.key) as socket:
            socket.hello(fresh)
            intent_id = operator.submit(fresh)
            socket.ask(
                "complete", intent_id=intent_id, lease=socket.delivery(deadline=PATIENCE)["lease"], result={}
            )
        operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)
    codes = ", ".join(f"{number} with {code}" for code, number in sorted(closed.items()))
    return (
        f"{heard:,} frames with seed {seed}, connections closed: {codes or 'none'}; then a delivery as always"
    )


def _open(perdure: Perdure, worker: Account | None, operator: Operator) -> ClientConnection:
    address = perdure.base_url.replace("http", "ws", 1) + "/ws/agent"
    key = worker.key if worker else operator.key
    connection = connect(
        address,
        additional_headers={"x-api-key": key},
        max_size=None,
        open_timeout=PATIENCE,
        ping_timeout=None,
    )
    if worker:
        connection.send(json.dumps({"type": "hello", "address": worker.address}))
    return connection


def _still_there(connection: ClientConnection) -> None:
    """Hear whatever was answered, until the answer to this."""
    connection.send(json.dumps({"type": "heartbeat", "ref": "still there"}))
    while True:
        try:
            if '"still there"' in str(connection.recv(PATIENCE)):
                return
        except TimeoutError:
            raise Found("a connection fell silent") from None
