"""Somebody who submits all the time, while a test does what operators do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from tests.live import Account, intent
from tests.operations.nginx import Front
from tests.servers import wait_until


@dataclass
class Load:
    """Submits without a pause, and never tries anything again."""

    front: Front
    to: Account
    submitters: int = 4
    accepted: list[str] = field(default_factory=list)
    let_down: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(self.submitters)]

    def _submit(self) -> None:
        with self.front.client(headers={"x-api-key": self.front.perdure.key}) as client:
            while not self._is_over.is_set():
                try:
                    answer = client.post("/v1/intents", json=intent(self.to, {"n": len(self.accepted)}))
                except httpx.HTTPError as error:
                    self.let_down.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.accepted.append(answer.json()["intent_id"])
                else:
                    self.let_down.append(f"{answer.status_code} {answer.text[:200]}")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, count: int = 20) -> None:
        """Return when so many more have been accepted."""
        before = len(self.accepted)
        wait_until(lambda: len(self.accepted) >= before + count, 60, f"{count} more are accepted")
