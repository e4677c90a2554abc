"""Web processes restarted one after the other, while others submit: nobody is let down."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from tests.live import Account, Operator, in_database, intent
from tests.operations.nginx import Front
from tests.servers import wait_until

SUBMITTERS = 4


@dataclass
class Load:
    """Submits without a pause, and never tries anything again."""

    front: Front
    to: Account
    accepted: list[str] = field(default_factory=list)
    let_down: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(SUBMITTERS)]

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


@contextmanager
def reading(url: str, key: str) -> Iterator[list[str]]:
    """What a stream says until it ends, read beside whatever else happens."""
    lines: list[str] = []

    def read() -> None:
        with httpx.stream("GET", url, headers={"x-api-key": key}, timeout=60) as stream:
            for line in stream.iter_lines():
                lines.append(line)  # noqa: PERF402 (others look while it grows)
        lines.append("ended")

    thread = threading.Thread(target=read)
    thread.start()
    yield lines
    thread.join(60)


def test_no_submission_fails_while_one_process_after_the_other_is_restarted(front: Front) -> None:
    perdure = front.perdure
    with Operator.of(perdure) as operator:
        account = operator.register()
        watched = operator.submit(account)
    with Load(front, account) as load:
        for web in perdure.web:
            load.goes_on()
            url = f"{web.base_url}/v1/intents/{watched}/events/stream?wait_seconds=60"
            with reading(url, perdure.key) as lines:
                wait_until(lambda: "event: intent.submitted" in lines, 20, "the stream speaks")

                web.stop(40)

            assert "event: stream.timeout" in lines, lines[-4:]
            assert lines[-1] == "ended"
            load.goes_on()  # on the other process alone
            web.start()
            web.wait()
        load.goes_on()

    assert Counter(load.let_down) == Counter()
    kept = in_database(
        perdure, "SELECT count(*) FROM intents_intent WHERE id = ANY(%s::uuid[])", load.accepted
    )
    assert kept == [(len(set(load.accepted)),)]
    assert len(load.accepted) >= 100
