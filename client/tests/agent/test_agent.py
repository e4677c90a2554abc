"""Agents in real processes, beside a real server."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure import Client


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_a_handler_returns_is_the_result(
    kind: str, client: Client, address: str, start: Callable[..., Any]
) -> None:
    start(kind)
    intents = [client.submit("test.work.v1", address) for _ in range(20)]

    for intent in intents:
        assert client.wait(intent.id, timeout=20).outcome()["kind"] == kind


def test_a_handler_that_raises_is_given_the_intent_again(
    client: Client, address: str, start: Callable[..., Any]
) -> None:
    start()
    # Many, because the next attempt may come together with the answer to the failure of this one.
    intents = [client.submit("test.work.v1", address, {"fails_until": 3}) for _ in range(20)]

    assert [client.wait(each.id, timeout=30).outcome()["attempt"] for each in intents] == [3] * 20


def test_fatal_fails_the_intent_at_once_and_says_why(
    client: Client, address: str, start: Callable[..., Any]
) -> None:
    start()
    ended = client.wait(client.submit("test.work.v1", address, {"raise": "fatal"}).id, timeout=20)

    assert (ended.status, ended.attempt) == ("FAILED", 1)
    assert ended.error is not None
    assert (ended.error["code"], ended.error["message"], ended.error["rows"]) == ("bad_rows", "of no use", 3)


def test_an_intent_that_no_handler_is_for_fails_and_says_so(
    client: Client, address: str, start: Callable[..., Any]
) -> None:
    start()
    ended = client.wait(client.submit("test.other.v1", address).id, timeout=20)

    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == ("FAILED", "no_handler")


def test_a_result_that_fits_no_frame_fails_the_intent_and_says_so(
    client: Client, address: str, start: Callable[..., Any]
) -> None:
    start()
    ended = client.wait(client.submit("test.too_large.v1", address).id, timeout=20)

    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == ("FAILED", "result_too_large")


def test_a_result_that_cannot_be_stored_does_not_take_others_with_it(
    client: Client, address: str, start: Callable[..., Any]
) -> None:
    start()
    bad = client.submit("test.nul.v1", address)
    good = [client.submit("test.work.v1", address) for _ in range(5)]

    ended = client.wait(bad.id, timeout=20)
    assert ended.error is not None
    assert (ended.status, ended.error["code"]) == ("FAILED", "result_refused")
    assert [client.wait(each.id, timeout=20).status for each in good] == ["COMPLETED"] * 5


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_handler_is_told_that_its_intent_was_canceled(
    kind: str,
    client: Client,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    start(kind)
    intent = client.submit("test.work.v1", address, {"seconds": 30})
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1"])

    client.cancel(intent.id, reason="no longer wanted")

    told = "Canceled" if kind == "sync" else "CanceledInTask"
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1", told], 5)


def test_the_work_of_a_killed_agent_goes_to_the_next(
    client: Client,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    first = start()
    intent = client.submit("test.work.v1", address, {"seconds": 1})
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1"])

    first.kill()
    start()

    assert client.wait(intent.id, timeout=20).outcome()["attempt"] == 2
    assert noted(tmp_path / "notes") == ["begin 1", "begin 2", "end 2"]


def test_an_agent_that_is_told_to_stop_finishes_what_it_has(
    client: Client,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    agent = start()
    intent = client.submit("test.work.v1", address, {"seconds": 1})
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1"])

    agent.signal(signal.SIGTERM)

    assert agent.process.wait(10) == 0
    assert client.get(intent.id).outcome()["attempt"] == 1


def test_an_agent_that_hung_learns_that_its_work_is_anothers(
    client: Client,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    hung = start(notes="hung")
    intent = client.submit("test.work.v1", address, {"seconds": 3}, max_delivery_attempts=20)
    wait_until(lambda: noted(tmp_path / "hung") == ["begin 1"])
    hung.signal(signal.SIGSTOP)
    start(notes="other")

    def is_with_the_other() -> bool:
        client.redeliver(intent.id)  # so that the test need not wait until leases run out
        with contextlib.suppress(AssertionError):
            wait_until(lambda: noted(tmp_path / "other"), 1)
        return bool(noted(tmp_path / "other"))

    wait_until(is_with_the_other, 20)
    hung.signal(signal.SIGCONT)

    wait_until(lambda: "LeaseLost" in noted(tmp_path / "hung"), 5)
    assert client.wait(intent.id, timeout=20).outcome()["attempt"] > 1
    assert not [line for line in noted(tmp_path / "hung") if line.startswith("end")]


def test_work_goes_on_and_is_recorded_once_though_the_server_was_killed(
    client: Client,
    server: Any,
    address: str,
    start: Callable[..., Any],
    tmp_path: Path,
    noted: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    start()
    intent = client.submit("test.work.v1", address, {"seconds": 2})
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1"])

    server.kill()
    wait_until(lambda: noted(tmp_path / "notes") == ["begin 1", "end 1"])
    server.start()

    assert client.wait(intent.id, timeout=60).status == "COMPLETED"
    assert noted(tmp_path / "notes") == ["begin 1", "end 1"]
    events = [event.type for event in client.events(intent.id, follow=False)]
    assert events.count("intent.completed") == 1
