"""An agent on the bare websocket that says all twice, in the wrong order, and goes on under leases it has lost."""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.chaos.history import Journal, Operation

REMEMBERED = 40


class Hasty:
    """One process; its connections come and go."""

    def __init__(self) -> None:
        self.journal = Journal(Path(os.environ["CHAOS_HISTORY"]), os.environ["CHAOS_NAME"])
        self.chance = random.Random(os.getpid())
        self.asked: dict[str, Operation] = {}
        #: what was said under leases that are not ours any more, to be said again
        self.old: list[dict[str, Any]] = []

    def run(self) -> None:
        self.journal.note("started", agent="hasty", pid=os.getpid())
        while True:
            try:
                self.talk()
            except (OSError, WebSocketException, TimeoutError, KeyError) as error:
                self.journal.note("disturbed", error=repr(error)[:200])
            for operation in self.asked.values():
                operation.unknown()
            self.asked.clear()
            time.sleep(0.3)

    def talk(self) -> None:
        url = os.environ["AXME_BASE_URL"].replace("http", "ws", 1) + "/ws/agent"
        headers = {"x-api-key": os.environ["AXME_API_KEY"]}
        with connect(url, additional_headers=headers, open_timeout=5) as socket:
            socket.send(json.dumps({"type": "hello", "ref": "hello", "address": os.environ["CHAOS_ADDRESS"]}))
            until = time.monotonic() + self.chance.uniform(4, 15)
            while time.monotonic() < until:
                try:
                    frame = json.loads(socket.recv(timeout=1))
                except TimeoutError:
                    socket.send('{"type": "heartbeat"}')
                    continue
                if frame["type"] == "deliveries":
                    frames = [self.work(delivery) for delivery in frame["deliveries"]]
                    self.say(socket, [each for company in frames for each in company])
                elif frame["type"] == "result":
                    self.hear(frame)
            if self.old:
                self.say(socket, [self.chance.choice(self.old)])
            socket.socket.shutdown(2)  # leaves without a word

    def work(self, delivery: dict[str, Any]) -> list[dict[str, Any]]:
        """All that is said about a delivery."""
        run, attempt = uuid.uuid4().hex[:12], delivery["attempt"]
        intent_id = delivery["intent_id"]
        self.journal.note(
            "run",
            intent=intent_id,
            run=run,
            attempt=attempt,
            seq=delivery["seq"],
            agent="hasty",
            lease=delivery["lease"],
        )
        named = {"intent_id": intent_id, "lease": delivery["lease"]}
        said = {
            "run": run,
            "attempt": attempt,
            "seq": delivery["seq"],
            "marker": delivery["payload"].get("marker"),
        }
        complete = {"type": "complete", "result": said, **named}
        self.old = [*self.old[-REMEMBERED:], complete]
        step = {"type": "checkpoint", "step": "hasty", "value": {**said, "step": "hasty"}, **named}
        return [step, step, {"type": "acknowledge", **named}, complete, complete]

    def say(self, socket: ClientConnection, frames: list[dict[str, Any]]) -> None:
        if self.chance.random() < 0.3:
            self.chance.shuffle(frames)
        for frame in frames:
            facts = {name: frame[name] for name in ("intent_id", "lease")}
            said = frame.get("result") or frame.get("value") or {}
            operation = self.journal.invoke(
                frame["type"], intent=facts["intent_id"], lease=facts["lease"], attempt=said.get("attempt")
            )
            ref = uuid.uuid4().hex
            self.asked[ref] = operation
            socket.send(json.dumps({**frame, "ref": ref}))

    def hear(self, frame: dict[str, Any]) -> None:
        operation = self.asked.pop(str(frame.get("ref")), None)
        if operation is None:
            return
        [result] = frame["results"]
        if result["ok"]:
            operation.ok()
        elif result["error"]["code"] == "unavailable":
            operation.unknown(code="unavailable")
        else:
            operation.failed(code=result["error"]["code"])


if __name__ == "__main__":
    Hasty().run()
