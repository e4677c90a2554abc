"""Keeps processes running: starts them, restarts those that die, and stops them all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog
from prometheus_client.multiprocess import mark_process_dead

from controlplane.lifeline import Lifeline

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
STOP_SECONDS = 15
#: Between a death and the restart: the first wait, and the longest, which it doubles up to.
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 10.0
#: Who has lived so long is forgiven earlier deaths.
HEALTHY_SECONDS = 10.0


class Stopped(BaseException):
    """Somebody asked this process to stop. Like KeyboardInterrupt it passes through `except Exception`."""


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise `Stopped` on SIGTERM, SIGINT and SIGHUP; from then on ignore them, so that the stop is not disturbed."""

    def stop(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Runs(Protocol):
    """What the supervisor knows of those it keeps running."""

    name: str

    def start(self) -> object: ...
    def is_running(self) -> bool: ...


class Child:
    """A process of ours, which ends with us."""

    def __init__(
        self, name: str, command: Sequence[str], lifeline: Lifeline, descriptors: Sequence[int] = ()
    ) -> None:
        self.name = name
        self.command = command
        self.lifeline = lifeline
        self.descriptors = descriptors
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.process is not None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # It has no connections any more.
            mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]
        # A session of its own: the terminal's Ctrl-C is for the supervisor, who then stops the children in order.
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[*self.lifeline.descriptors, *self.descriptors],
            env=os.environ | self.lifeline.environment,
        )

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Watch:
    """One of those kept running, and how patient to be with its deaths."""

    def __init__(self, what: Runs) -> None:
        self.what = what
        self.backoff = FIRST_BACKOFF_SECONDS
        self.started_at = time.monotonic()
        self.restart_at: float | None = None

    def look(self) -> None:
        """Restart it if it has died, at once the first time, later if it dies again and again."""
        now = time.monotonic()
        if self.what.is_running():
            if now - self.started_at > HEALTHY_SECONDS:
                self.backoff = FIRST_BACKOFF_SECONDS
            return
        if self.restart_at is None:
            log.warning("died, will be restarted", process=self.what.name, seconds=self.backoff)
            self.restart_at = now + self.backoff
            self.backoff = min(self.backoff * 2, LONGEST_BACKOFF_SECONDS)
        if now >= self.restart_at:
            self.restart_at = None
            self.started_at = now
            try:
                self.what.start()
            except Exception:
                log.exception("cannot be restarted", process=self.what.name)


def stop(children: Sequence[Child]) -> None:
    """Ask all to stop, wait until they have, and end those that do not."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
