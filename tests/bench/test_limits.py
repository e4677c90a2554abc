"""Our submitter in the comparison keeps to the limits that are given to peers."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from bench.clients.submit_websocket import Submitter
from bench.peers import load


class Socket:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(orjson.loads(frame))


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
def submitter(socket: Socket) -> Submitter:
    made = Submitter(
        {"to_agent": "agent://a/b/c", "frame": 1, "window": load.WINDOW, "at_once": load.AT_ONCE}
    )
    made.socket = socket  # type: ignore[assignment]
    made.ends_at = time.monotonic() + 60
    made.fill()
    return made


def accept(submitter: Submitter) -> None:
    submitter.heard({"type": "accepted", "results": [{"ok": True}]})


def test_no_more_frames_are_without_an_answer_than_peers_have_calls(
    submitter: Submitter, socket: Socket
) -> None:
    assert len(socket.frames) == load.AT_ONCE

    accept(submitter)

    assert len(socket.frames) == load.AT_ONCE + 1


def test_no_more_intents_are_open_than_peers_have_tasks(submitter: Submitter, socket: Socket) -> None:
    for _ in range(2 * load.WINDOW):
        accept(submitter)

    assert len(socket.frames) == load.WINDOW

    submitter.heard({"type": "outcomes", "outcomes": [{"status": "COMPLETED"}]})

    assert len(socket.frames) == load.WINDOW + 1
