"""A command line to say things to the real server, and an agent that does as it is told."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from perdure.cli.app import run
from support.server import REPOSITORY, Server


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document of `--json`."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Cli = Callable[..., Ended]

__all__ = ["REPOSITORY", "Cli", "Ended", "Server", "Worker"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line as somebody who is logged in nowhere."""
    for name in [each for each in os.environ if each.startswith(("PERDURE_", "AXME_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return _run


@pytest.fixture
def cli(bare: Cli, server: Server, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line with the server and its key in the environment."""
    monkeypatch.setenv("PERDURE_URL", server.url)
    monkeypatch.setenv("PERDURE_API_KEY", server.key)
    return bare


def _run(*arguments: object, stdin: str = "") -> Ended:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exit_code = run([str(each) for each in arguments])
    finally:
        sys.stdin = before
    said = [each.detach().getvalue().decode() for each in (out, err)]  # type: ignore[attr-defined]
    return Ended(exit_code, *said)


class Worker:
    """An agent on a websocket: it is handed intents, and a test says what becomes of them."""

    def __init__(self, connection: ClientConnection, address: str) -> None:
        self.address = address
        self._connection = connection
        self._waiting: list[dict[str, Any]] = []

    def takes(self) -> dict[str, Any]:
        """The next intent it is handed."""
        while not self._waiting:
            self._put_aside(self._receive())
        return self._waiting.pop(0)

    def says(self, verb: str, delivery: dict[str, Any], **more: Any) -> None:
        """Say something about an intent, and wait until it is recorded."""
        about = {name: delivery[name] for name in ("intent_id", "lease")}
        self._connection.send(json.dumps({"type": verb, "ref": 9, **about, **more}))
        while (frame := self._receive()).get("ref") != 9:
            self._put_aside(frame)
        assert frame["type"] == "result", frame

    def does(self, verb: str, **more: Any) -> threading.Thread:
        """Take the next intent and say something about it, while the test does something else."""

        def work() -> None:
            self.says(verb, self.takes(), **more)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _put_aside(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "deliveries":
            self._waiting += frame["deliveries"]

    def _receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self._connection.recv(timeout=20))
        return frame


@pytest.fixture
def worker(cli: Cli, server: Server) -> Iterator[Worker]:
    """An agent of the test's own, connected."""
    name = f"worker-{uuid.uuid4().hex[:12]}"
    key = cli("keys", "create", name, "--register", "--json").document["key"]["token"]
    headers = {"Authorization": f"Bearer {key}"}
    with connect(server.url.replace("http", "ws", 1) + "/ws/agent", additional_headers=headers) as connection:
        connection.send(json.dumps({"type": "hello", "address": name, "max_in_flight": 10}))
        assert json.loads(connection.recv(timeout=20))["type"] == "welcome"
        yield Worker(connection, name)
