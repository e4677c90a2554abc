"""The wires of a run: a proxy process, its routes, and what they are told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.listener import listen
from tests.servers import REPOSITORY


def free_port() -> int:
    with listen("127.0.0.1", 0) as free:
        port: int = free.getsockname()[1]
        return port


class Network:
    """Routes by name, each a port of ours that can be broken and mended."""

    def __init__(self) -> None:
        self.routes: dict[str, dict[str, object]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def route(self, name: str, *targets: str, host: str = "127.0.0.1") -> None:
        """Plan a route; before `start`."""
        self.routes[name] = {"host": host, "port": free_port(), "to": list(targets)}

    def address(self, name: str) -> str:
        """Where the route begins."""
        return "{host}:{port}".format(**self.routes[name])

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", json.dumps({"routes": self.routes})],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        assert json.loads(self._process.stdout.readline())["listening"] == len(self.routes)

    def set(self, name: str, mode: str) -> int:
        """Have a route behave like that; how much it has mistreated so far."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps({"route": name, "mode": mode}) + "\n")
            self._process.stdin.flush()
            said = json.loads(self._process.stdout.readline())
        assert (said["route"], said["mode"]) == (name, mode)
        return int(said["touched"])

    @contextmanager
    def broken(self, mode: str, *names: str) -> Iterator[None]:
        """Break these routes for a while."""
        try:
            for name in names:
                self.set(name, mode)
            yield
        finally:
            for name in names:
                self.set(name, "pass")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
