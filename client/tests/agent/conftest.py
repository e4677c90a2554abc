"""A real server, and agents in processes of their own that a test may kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from perdure import Client

REPOSITORY = Path(__file__).resolve().parents[3]
T = TypeVar("T")


def wait_until(predicate: Callable[[], T], deadline: float = 15.0, what: str = "") -> T:
    """What the predicate says as soon as that is true; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (answer := predicate()):
        assert time.monotonic() < end, f"not within {deadline} s: {what or predicate}"
        time.sleep(0.02)
    return answer


class Server:
    """What `make up` starts, in a home and on a port that stay the same when it is killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "up.log"
        self.facts: dict[str, str] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def start(self) -> None:
        outer = {
            name: each for name, each in os.environ.items() if not name.startswith(("PERDURE_", "AXME_"))
        }
        own = {"PERDURE_HOME": str(self.home), "PERDURE_PORT": self.port, "PERDURE_WEB_PROCESSES": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=REPOSITORY,
                env={**outer, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 90, "the server answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with contextlib.suppress(OSError, KeyError, ValueError, httpx.HTTPError):
            lines = (self.home / "dev.env").read_text().splitlines()
            self.facts = {
                name: each.strip("'\"") for name, _, each in (line.partition("=") for line in lines)
            }
            return bool(httpx.get(f"{self.url}/healthz/ready").json()["ok"])
        return False

    def kill(self) -> None:
        """SIGKILL; its children notice and end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    @property
    def url(self) -> str:
        return self.facts["AXME_BASE_URL"]

    @property
    def key(self) -> str:
        return self.facts["AXME_API_KEY"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("home"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, server.key) as found:
        yield found


@pytest.fixture
def address(client: Client) -> str:
    """A registered agent that no other test has."""
    name = f"worker-{uuid.uuid4().hex[:12]}"
    client.agents.register(name)
    return name


class AgentProcess:
    """`a_worker.py` as a process; what it notes on its way is in a file."""

    def __init__(self, server: Server, address: str, notes: Path, kind: str) -> None:
        self.notes = notes
        environment = {**os.environ, "PERDURE_URL": server.url, "PERDURE_API_KEY": server.key}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("a_worker.py")), address, str(notes), kind],
            env=environment,
            stdin=subprocess.DEVNULL,
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()


@pytest.fixture
def start(server: Server, address: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a process of the agent; all of a test write into one file."""
    begun: list[AgentProcess] = []

    def start_one(kind: str = "sync", notes: str = "notes") -> AgentProcess:
        begun.append(AgentProcess(server, address, tmp_path / notes, kind))
        return begun[-1]

    yield start_one
    for each in begun:
        each.end()


def noted(path: Path) -> list[str]:
    """What agents have noted, in its order."""
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(name="noted")
def _noted() -> Callable[[Path], list[str]]:
    return noted


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., Any]:
    return wait_until
