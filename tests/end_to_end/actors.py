"""Clients in processes of their own, which a test watches by what they say, and kills when it wants to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from tests.live import Account
from tests.servers import Perdure

CLIENTS = Path(__file__).parent / "clients"
Line = dict[str, Any]


class Actor:
    """One client process. What it says are lines of JSON with a `said`."""

    def __init__(self, script: str, key: str, *arguments: str) -> None:
        self._heard: list[Line] = []
        self._news = threading.Condition()
        self._has_ended = False
        self._popen = subprocess.Popen(
            [sys.executable, str(CLIENTS / script), *arguments],
            env={**os.environ, "AXME_API_KEY": key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._errors: list[str] = []
        threads = (threading.Thread(target=listen, daemon=True) for listen in (self._listen, self._complain))
        self._threads = list(threads)
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self._popen.stdout
        for text in self._popen.stdout:
            with self._news:
                self._heard.append(json.loads(text))
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def _complain(self) -> None:
        assert self._popen.stderr
        self._errors.extend(self._popen.stderr)

    def heard(self, *what: str) -> list[Line]:
        """All that it has said of this so far."""
        with self._news:
            return [line for line in self._heard if line["said"] in what]

    def hear(self, what: str, deadline: float = 30, *, count: int = 1) -> Line:
        """What it says the `count`-th time it says this; waits for it."""
        end = monotonic() + deadline
        with self._news:
            while len(lines := [line for line in self._heard if line["said"] == what]) < count:
                if self._has_ended or not self._news.wait(end - monotonic()):
                    raise AssertionError(
                        f"It did not say {what!r} {count} times within {deadline} s.\n"
                        f"Said: {self._heard[-5:]}\n{''.join(self._errors)[-3000:]}"
                    )
        return lines[count - 1]

    def kill(self) -> None:
        """SIGKILL."""
        self._popen.kill()
        self._popen.wait()

    def freeze(self) -> None:
        """Let it hang, its connections open."""
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._popen.send_signal(signal.SIGCONT)

    def finish(self, deadline: float = 30) -> None:
        """Tell it to stop, and wait until it has."""
        assert self._popen.stdin
        self._popen.stdin.close()
        self._popen.wait(deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for thread in self._threads:
            thread.join()
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()


def agent(account: Account, perdure: Perdure, *options: str, web: tuple[int, ...] = (0,)) -> Actor:
    """An agent written with `axme`, which goes round these web processes."""
    return Actor("agent.py", account.key, account.address, *_urls(perdure, web), *options)


def socket_agent(account: Account, perdure: Perdure, *options: str, web: tuple[int, ...] = (0,)) -> Actor:
    """An agent on the websocket, which goes round these web processes."""
    return Actor("socket_agent.py", account.key, account.address, *_urls(perdure, web), *options)


def step_agent(account: Account, perdure: Perdure, *options: str) -> Actor:
    """An agent on the websocket that works in four steps."""
    return Actor("step_agent.py", account.key, account.address, *_urls(perdure, (0,)), *options)


def submitter(to: Account, key: str, perdure: Perdure, *options: str, web: tuple[int, ...] = (0,)) -> Actor:
    """Somebody who submits with `axme`."""
    return Actor("submitter.py", key, to.address, *_urls(perdure, web), *options)


def _urls(perdure: Perdure, web: tuple[int, ...]) -> list[str]:
    return [perdure.web[number].base_url for number in web]
