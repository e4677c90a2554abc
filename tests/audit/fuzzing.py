"""Frames that no client would send, tens of thousands of them: the websocket answers or closes, and stays well.

Half of them are nonsense; the other half would be right, about deliveries which the connection holds, had not one field
of each been changed: these come past the first check. The same seed makes up the same frames but for the ids in them;
PERDURE_SEED chooses it, PERDURE_FRAMES how many there are.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from time import monotonic
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.audit.near_misses import NearMisses
from tests.audit.verdicts import Found
from tests.controlplane.bad_frames import BAD_FRAMES
from tests.intents.realtime.sockets import Socket
from tests.live import Account, Operator, complaints, intent
from tests.servers import Perdure

FRAMES = int(os.environ.get("PERDURE_FRAMES", "20000"))
BURST = 100
#: a connection takes so many deliveries, and is given more when it has fewer than enough
IN_HAND = 40
ENOUGH = 10
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
        self.near = NearMisses(self.random, worker, lambda: self.value(2))

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
    outcomes: Counter[str] = Counter()
    with Perdure(web=1, worker=False) as perdure, Operator.of(perdure) as operator:
        worker = operator.register()
        inventor = Inventor(seed, worker)
        heard = 0
        while heard < FRAMES:
            has_hands = closed.total() % 4 > 0
            with _open(perdure, worker if has_hands else None, operator) as connection:
                talk = Talk(connection, operator, worker, inventor, outcomes)
                try:
                    while heard < FRAMES:
                        talk.burst(with_deliveries=has_hands)
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
        if outcomes["internal_error"]:
            raise Found(f"seed {seed}: {outcomes['internal_error']} frames were answered internal_error")
        if outcomes["ok"] < FRAMES // 10 or outcomes["lease_lost"] < FRAMES // 1000:
            raise Found(f"seed {seed}: hardly a frame came past the first check: {outcomes}")
        _finish_one(perdure, operator)
    codes = ", ".join(f"{number} with {code}" for code, number in sorted(closed.items()))
    told = ", ".join(f"{number:,} {code}" for code, number in outcomes.most_common(6))
    return (
        f"{heard:,} frames with seed {seed}, half of them about deliveries in hand with one field changed;"
        f" answered: {told}; connections closed: {codes or 'none'}; then a delivery as always"
    )


def _finish_one(perdure: Perdure, operator: Operator) -> None:
    """Fail unless an agent is given work, and does it, as if nothing had been."""
    fresh = operator.register()
    with Socket(perdure.base_url, fresh.key) as socket:
        socket.hello(fresh)
        intent_id = operator.submit(fresh)
        socket.ask(
            "complete", intent_id=intent_id, lease=socket.delivery(deadline=PATIENCE)["lease"], result={}
        )
    operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)


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
        connection.send(json.dumps({"type": "hello", "address": worker.address, "max_in_flight": IN_HAND}))
    return connection


class Talk:
    """What is said on one connection, and what is held on it."""

    def __init__(
        self,
        connection: ClientConnection,
        operator: Operator,
        worker: Account,
        inventor: Inventor,
        outcomes: Counter[str],
    ) -> None:
        self.connection = connection
        self.operator = operator
        self.worker = worker
        self.inventor = inventor
        self.outcomes = outcomes
        #: intent → its lease
        self.held: dict[str, str] = {}

    def burst(self, *, with_deliveries: bool) -> None:
        """Send a hundred frames, and hear what is answered."""
        if with_deliveries:
            self.fill_hands()
        self.inventor.near.held = dict(self.held)
        for number in range(BURST):
            self.connection.send(self.inventor.near.frame() if number % 2 else self.inventor.frame())
        self._ask({"type": "heartbeat"})

    def fill_hands(self) -> None:
        """Hold some deliveries, with leases that are good."""
        if self.held:
            deliveries = [{"intent_id": each, "lease": lease} for each, lease in self.held.items()]
            answer = self._ask({"type": "extend", "deliveries": deliveries})
            for result in answer["results"]:
                if not result["ok"]:
                    self.held.pop(result["intent_id"], None)
        if len(self.held) < ENOUGH:
            self.operator.post(
                "/v1/intents/batch",
                {"intents": [intent(self.worker, max_delivery_attempts=1000) for _ in range(IN_HAND)]},
            )
            deadline = monotonic() + PATIENCE
            while len(self.held) < ENOUGH:
                self._hear(deadline)

    def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """The answer to a frame; what comes before it is noted."""
        self.connection.send(json.dumps({**frame, "ref": "still there"}))
        deadline = monotonic() + PATIENCE
        while (answer := self._hear(deadline)).get("ref") != "still there":
            pass
        return answer

    def _hear(self, deadline: float) -> dict[str, Any]:
        """Note the next frame."""
        try:
            said: dict[str, Any] = json.loads(self.connection.recv(max(0.0, deadline - monotonic())))
        except TimeoutError:
            raise Found("a connection fell silent") from None
        for each in said.get("deliveries", []):
            self.held[each["intent_id"]] = each["lease"]
        if said.get("ref") != "still there":
            for each in (said, *said.get("results", [])):
                if error := each.get("error"):
                    self.outcomes[error["code"]] += 1
                elif each is not said:
                    self.outcomes["ok"] += 1
        return said
