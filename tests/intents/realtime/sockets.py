"""A websocket client for tests: says frames, and hears those it waits for."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from itertools import count
from time import monotonic
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live import Account

Frame = dict[str, Any]


class Socket:
    """One connection to /ws/agent."""

    def __init__(self, base_url: str, key: str = "", **headers: str) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            given["Authorization"] = f"Bearer {key}"
        address = base_url.replace("http", "ws", 1) + "/ws/agent"
        self._leaving = ExitStack()
        self.connection: ClientConnection = self._leaving.enter_context(
            connect(address, additional_headers=given, max_size=None)
        )
        self._refs = count(1)
        #: frames that came while another was waited for
        self._aside: list[Frame] = []

    def say(self, kind: str, **fields: Any) -> None:
        """Send a frame."""
        self.connection.send(json.dumps({"type": kind, **fields}))

    def ask(self, kind: str, **fields: Any) -> Frame:
        """Send a frame with a ref, and return the frame that answers it."""
        ref = f"ref-{next(self._refs)}"
        self.say(kind, ref=ref, **fields)
        return self.hear("result", "accepted", "welcome", "error", ref=ref)

    def hello(self, account: Account, **fields: Any) -> Frame:
        """Say who is here, and hear the welcome."""
        return self.ask("hello", address=account.address, **fields)

    def hear(self, *types: str, deadline: float = 30, **fields: Any) -> Frame:
        """The next frame of one of these types, and with these fields."""
        for place, kept in enumerate(self._aside):
            if _matches(kept, types, fields):
                return self._aside.pop(place)
        end = monotonic() + deadline
        while True:
            try:
                frame: Frame = json.loads(self.connection.recv(max(0.0, end - monotonic())))
            except TimeoutError:
                raise AssertionError(
                    f"No {types} {fields} within {deadline} s, but {self._aside[-3:]}"
                ) from None
            if _matches(frame, types, fields):
                return frame
            self._aside.append(frame)

    def deliveries(self, number: int = 1, deadline: float = 30) -> list[Frame]:
        """So many deliveries, however many frames they come in."""
        found: list[Frame] = []
        while len(found) < number:
            found += self.hear("deliveries", deadline=deadline)["deliveries"]
        assert len(found) == number
        return found

    def delivery(self, deadline: float = 30) -> Frame:
        """One delivery."""
        [found] = self.deliveries(1, deadline)
        return found

    def hears_nothing(self, kind: str, during: float) -> bool:
        """Whether no such frame comes for so long."""
        try:
            self.hear(kind, deadline=during)
        except AssertionError:
            return True
        return False

    def end(self, deadline: float = 30) -> tuple[int, str]:
        """The close code and reason with which the server ends the connection."""
        stop = monotonic() + deadline
        with suppress(ConnectionClosed):
            while True:
                self.connection.recv(max(0.0, stop - monotonic()))
        received = self.connection.protocol.close_rcvd
        assert received is not None, "the connection broke"
        return received.code, received.reason

    def close(self) -> None:
        self._leaving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def named(delivery: Frame, **more: Any) -> Frame:
    """A delivery as frames about it name it."""
    return {"intent_id": delivery["intent_id"], "lease": delivery["lease"], **more}


def _matches(frame: Frame, types: tuple[str, ...], fields: Frame) -> bool:
    return frame["type"] in types and all(frame.get(name) == value for name, value in fields.items())
