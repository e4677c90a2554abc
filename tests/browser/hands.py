"""A real connection of an agent, which does what it is told to: takes, saves, ends, and breaks off."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from contextlib import ExitStack, suppress
from itertools import count
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.live import Account

Delivery = dict[str, Any]
BEAT_SECONDS = 10.0


class Hand:
    """An agent on the websocket. It keeps its leases alive until it is dropped."""

    def __init__(
        self, account: Account, base_url: str, *, room: int = 1, client: str = "perdure/0.1.0"
    ) -> None:
        headers = {"Authorization": f"Bearer {account.key}"}
        address = base_url.replace("http", "ws", 1) + "/ws/agent"
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(address, additional_headers=headers, user_agent_header=client)
        )
        self._refs = count(1)
        self._waiting: deque[Delivery] = deque()
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._ask(type="hello", address=account.address, max_in_flight=room, client=client)
        self._heart.start()

    def _beat(self) -> None:
        while not self._is_over.wait(BEAT_SECONDS):
            try:
                self._socket.send('{"type": "heartbeat"}')
            except ConnectionClosed:
                return

    def _hear(self, deadline: float = 60) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self._socket.recv(timeout=deadline))
        if frame["type"] == "deliveries":
            self._waiting.extend(frame["deliveries"])
        return frame

    def _ask(self, **frame: Any) -> dict[str, Any]:
        ref = next(self._refs)
        self._socket.send(json.dumps({"ref": ref, **frame}))
        while (answer := self._hear()).get("ref") != ref:
            pass
        assert answer.get("ok", True), answer
        return answer

    def take(self, count: int = 1) -> list[Delivery]:
        """So many deliveries, as soon as they are here."""
        while len(self._waiting) < count:
            self._hear()
        return [self._waiting.popleft() for _ in range(count)]

    def start(self) -> Delivery:
        """Take one delivery and say that work on it has begun."""
        [delivery] = self.take()
        self._ask(type="acknowledge", **_names(delivery))
        return delivery

    def save(self, delivery: Delivery, step: str, value: Any) -> None:
        """Save a checkpoint."""
        self._ask(type="checkpoint", step=step, value=value, **_names(delivery))

    def report(self, delivery: Delivery, **usage: Any) -> None:
        """Tell what the work has cost so far."""
        self._ask(type="report", **usage, **_names(delivery))

    def complete(self, delivery: Delivery, result: Any) -> None:
        self._ask(type="complete", result=result, **_names(delivery))

    def fail(self, delivery: Delivery, error: Any) -> None:
        self._ask(type="fail", error=error, **_names(delivery))

    def end_all(self, deliveries: list[Delivery], kind: str, **fields: Any) -> None:
        """Complete or fail many, 500 a frame."""
        for start in range(0, len(deliveries), 500):
            some = [{**_names(each), **fields} for each in deliveries[start : start + 500]]
            self._ask(type=kind, deliveries=some)

    def drop(self) -> None:
        """Be gone, as a process that dies is: nothing is said."""
        self._is_over.set()
        with suppress(OSError):
            self._socket.socket.shutdown(socket.SHUT_RDWR)
        self._heart.join()
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


def _names(delivery: Delivery) -> dict[str, str]:
    return {"intent_id": delivery["intent_id"], "lease": delivery["lease"]}
