"""Agents in processes of their own, which note what they do in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from perdure import Client
from support.polling import wait_until
from support.server import Server, bare_environment

WORKER = Path(__file__).parents[1] / "agent" / "a_worker.py"


class AgentProcess:
    """`a_worker.py` as a process."""

    def __init__(self, url: str, key: str, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), *arguments],
            env=bare_environment(PERDURE_URL=url, PERDURE_API_KEY=key),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if arguments[-1] == "many" else None,
        )

    def begin(self, stop_at: str = "") -> None:
        """Have it work; it stands still for ever once it has noted `stop_at`."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{stop_at}\n".encode())
        self.process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Nursery:
    """Many processes of the agent, one after the other, without the time that each takes to load everything."""

    def __init__(self, process: AgentProcess) -> None:
        self._process = process.process

    def begin(self, stop_at: str = "") -> int:
        """The id of a process at work, which stands still for ever once it has noted `stop_at`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{stop_at}\n".encode())
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def kill(process: int) -> None:
    """SIGKILL, and wait until nothing is left of it."""
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not _is_there(process), what="it is gone")


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class Crew:
    """The agents of one address, registered for one test."""

    def __init__(self, server: Server, client: Client, directory: Path) -> None:
        self.server = server
        self.client = client
        self.url = server.url
        self.address = f"worker-{uuid.uuid4().hex[:12]}"
        self._directory = directory
        self._begun: list[AgentProcess] = []
        client.agents.register(self.address)

    def prepare(self, kind: str = "sync", notes: str = "notes") -> AgentProcess:
        """A process that has loaded everything, and waits to begin."""
        arguments = [self.address, str(self._directory / notes), kind]
        self._begun.append(AgentProcess(self.url, self.server.key, arguments))
        return self._begun[-1]

    def start(self, kind: str = "sync", notes: str = "notes") -> AgentProcess:
        """A process at work."""
        agent = self.prepare(kind, notes)
        agent.begin()
        return agent

    def submit(self, kind: str, payload: dict[str, Any] | None = None, **fields: Any) -> Any:
        return self.client.submit(f"test.{kind}.v1", self.address, payload, **fields)

    def result(self, intent: Any) -> Any:
        return self.client.wait(intent.id, timeout=60).outcome()

    def ended(self, intent: Any) -> Any:
        return self.client.wait(intent.id, timeout=60)

    def notes(self, name: str = "notes") -> list[str]:
        """What agents have noted, in its order."""
        path = self._directory / name
        return path.read_text().splitlines() if path.exists() else []

    def say_enough(self, name: str = "notes") -> None:
        """Have what waits to be told so come to its end."""
        (self._directory / f"{name}.go").touch()

    def is_connected(self, name: str = "notes") -> bool:
        return (self._directory / f"{name}.as").exists()

    def is_blocked(self, name: str = "notes") -> bool:
        """Whether the agent found websockets blocked."""
        return (self._directory / f"{name}.blocked").exists()

    def wait_for(self, *lines: str, name: str = "notes") -> None:
        """Until the notes are these."""
        wait_until(
            lambda: self.notes(name) == list(lines), what=f"the notes are {lines}, not {self.notes(name)}"
        )

    def wait_until_counted(self, intent: Any) -> None:
        """Until the server has heard that the attempt began. A handler begins at once, and does not wait for that."""
        wait_until(
            lambda: (
                "intent.acknowledged" in [each.type for each in self.client.events(intent.id, follow=False)]
            ),
            what="it is known that work has begun",
        )

    def end(self) -> None:
        for each in self._begun:
            each.end()
