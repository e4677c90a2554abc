"""A real server, as `make up` starts it, that a test may kill."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from support.polling import wait_until

REPOSITORY = Path(__file__).resolve().parents[3]


def bare_environment(**more: str) -> dict[str, str]:
    """The environment without anything that names a server, a key or a home."""
    outer = {name: each for name, each in os.environ.items() if not name.startswith(("PERDURE_", "AXME_"))}
    return {**outer, **more}


class Server:
    """All of Perdure, in a home and on a port that stay the same when it is killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "up.log"
        self.facts: dict[str, str] = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def start(self) -> None:
        own = {"PERDURE_HOME": str(self.home), "PERDURE_PORT": self.port, "PERDURE_WEB_PROCESSES": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=REPOSITORY,
                env=bare_environment(**own),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 300, "the server answers")

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
        """SIGTERM, which ends all of it in order; however far it had come."""
        self.process.terminate()
        self.process.wait(60)

    @property
    def url(self) -> str:
        return self.facts["AXME_BASE_URL"]

    @property
    def key(self) -> str:
        return self.facts["AXME_API_KEY"]

    @property
    def environment(self) -> dict[str, str]:
        """For processes that are to find it."""
        return bare_environment(PERDURE_URL=self.url, PERDURE_API_KEY=self.key)
