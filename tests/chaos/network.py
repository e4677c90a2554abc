"""The wires of a run: a proxy process, its routes, and what they are told."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controlplane.listener import listen
from tests.servers import REPOSITORY


class Network:
    """Routes by name, each a port of ours that can be broken and mended."""

    def __init__(self, taken: frozenset[int] = frozenset()) -> None:
        #: ports that are somebody else's, who does not listen yet
        self._taken = taken
        self._listeners: dict[str, socket.socket] = {}
        self._targets: dict[str, list[str]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def route(self, name: str, *targets: str, host: str = "127.0.0.1") -> None:
        """Plan a route; before `start`. Its port is ours from now on, so that nobody else can take it."""
        self._listeners[name] = self._listen(host)
        self._targets[name] = list(targets)

    def _listen(self, host: str) -> socket.socket:
        listener = listen(host, 0)
        if listener.getsockname()[1] not in self._taken:
            return listener
        with listener:
            return self._listen(host)

    def address(self, name: str) -> str:
        """Where the route begins."""
        return "{}:{}".format(*self._listeners[name].getsockname())

    def start(self) -> None:
        handed = {name: listener.fileno() for name, listener in self._listeners.items()}
        routes = {name: {"fd": handed[name], "to": to} for name, to in self._targets.items()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy", json.dumps({"routes": routes})],
            cwd=REPOSITORY,
            pass_fds=list(handed.values()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        assert json.loads(self._process.stdout.readline())["listening"] == len(routes)

    def set(self, name: str, mode: str) -> int:
        """Have a route behave like that; how much it has mistreated since it was told how before."""
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
    def broken(self, mode: str, *names: str) -> Iterator[dict[str, int]]:
        """Break these routes for a while; afterwards what is given says how much each has mistreated."""
        mistreated = dict.fromkeys(names, 0)
        try:
            for name in names:
                self.set(name, mode)
            yield mistreated
        finally:
            for name in names:
                mistreated[name] = self.set(name, "pass")

    def stop(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
