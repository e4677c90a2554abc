"""A real server for the command line, a command line to say things to it, and an agent that does as it is told."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from perdure.cli.app import run

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS = 90.0


@dataclass(frozen=True)
class Server:
    """Where it is, and a key that may do everything there."""

    url: str
    api_key: str


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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What `make up` starts, in a home of its own."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PERDURE_", "AXME_"))}
    own = {"PERDURE_HOME": str(home), "PERDURE_PORT": port, "PERDURE_WEB_PROCESSES": "1"}
    log = home / "up.log"
    with log.open("wb") as written:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=REPOSITORY,
            env={**outer, **own},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    try:
        yield _once_it_answers(up, home, log)
    finally:
        up.terminate()
        up.wait(30)


def _once_it_answers(up: subprocess.Popen[bytes], home: Path, log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and up.poll() is None:
        with contextlib.suppress(OSError, KeyError, httpx.HTTPError):
            lines = (home / "dev.env").read_text().splitlines()
            facts = {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}
            found = Server(facts["AXME_BASE_URL"], facts["AXME_API_KEY"])
            if httpx.get(f"{found.url}/healthz/ready").json()["ok"]:
                return found
        time.sleep(0.05)
    raise AssertionError(f"No server:\n{log.read_text()[-3000:]}")


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
    monkeypatch.setenv("PERDURE_API_KEY", server.api_key)
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
            frame = self._receive()
            self._waiting += frame.get("deliveries", [])
        return self._waiting.pop(0)

    def says(self, verb: str, delivery: dict[str, Any], **more: Any) -> None:
        """Say something about an intent, and wait until it is recorded."""
        about = {name: delivery[name] for name in ("intent_id", "lease")}
        self._connection.send(json.dumps({"type": verb, "ref": 9, **about, **more}))
        while (frame := self._receive()).get("ref") != 9:
            self._waiting += frame.get("deliveries", [])
        assert frame["type"] == "result", frame

    def does(self, verb: str, **more: Any) -> threading.Thread:
        """Take the next intent and say something about it, while the test does something else."""

        def work() -> None:
            self.says(verb, self.takes(), **more)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

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
