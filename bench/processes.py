"""Clients in processes of their own, which talk to us in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[1]


class Client:
    """One `bench.clients` module running as a process: told what to do by its configuration and by lines."""

    #: where the modules are, what runs them, and what its environment has besides ours
    package = "bench.clients"
    interpreter = sys.executable
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, module: str, **configuration: Any) -> None:
        self.module = module
        self.process = subprocess.Popen(
            [self.interpreter, "-m", f"{self.package}.{module}", json.dumps(configuration)],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._heard: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._heard.put(line)
        self._heard.put(None)

    def read(self, patience: float = 60) -> dict[str, Any]:
        """What it says next."""
        try:
            line = self._heard.get(timeout=patience)
        except queue.Empty:
            raise RuntimeError(f"{self.module} said nothing for {patience:.0f} s") from None
        if line is None:
            raise RuntimeError(f"{self.module} ended with {self.process.wait()}")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise RuntimeError(f"{self.module}: {said['error']}")
        return said

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word: str, patience: float = 60) -> dict[str, Any]:
        self.say(word)
        return self.read(patience)

    def leave(self, patience: float = 30) -> None:
        """Say no more, and wait until it has ended what it runs itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
