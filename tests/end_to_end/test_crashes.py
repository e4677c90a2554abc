"""Agents that die at the worst moment, and one that is merely slow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.actors import agent, socket_agent
from tests.live import TERMINAL_EVENTS, Account, Operator, assert_histories_add_up, verify_history
from tests.servers import Perdure, wait_until


@pytest.mark.parametrize(
    ("moment", "attempts"),
    [
        ("reading", 1),  # it never began, so the attempt is given back
        ("working", 2),
        ("answering", 2),
    ],
)
def test_an_agent_killed_before_its_result_gets_the_work_again(
    commons: Perdure, operator: Operator, worker: Account, moment: str, attempts: int
) -> None:
    intent_id = operator.submit(worker)
    with agent(worker, commons, "--halt-at", moment) as first:
        first.hear("halted")
    with agent(worker, commons) as second:
        assert second.hear("delivered", 20)["delivery"]["redelivery"] is True
        second.hear("done")

    assert operator.wait_for(intent_id, "COMPLETED")["delivery_attempt"] == attempts


@pytest.mark.parametrize(("moment", "attempts"), [("acknowledging", 1), ("working", 2), ("answering", 2)])
def test_the_same_on_the_websocket(
    commons: Perdure, operator: Operator, worker: Account, moment: str, attempts: int
) -> None:
    intent_id = operator.submit(worker)
    with socket_agent(worker, commons, "--halt-at", moment) as first:
        first.hear("halted")
    with socket_agent(worker, commons) as second:
        assert second.hear("delivered", 20)["delivery"]["redelivery"] is True
        second.hear("done")

    assert operator.wait_for(intent_id, "COMPLETED")["delivery_attempt"] == attempts


def test_an_agent_killed_before_it_reads_burns_no_attempt_of_those_behind(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    for _ in range(3):
        with agent(worker, commons, "--halt-at", "reading") as doomed:
            doomed.hear("halted")
    with agent(worker, commons) as last:
        last.hear("done")

    assert operator.wait_for(intent_id, "COMPLETED")["delivery_attempt"] == 1
    assert operator.story(intent_id).count("submitted") == 4


def test_an_intent_that_kills_its_agent_three_times_becomes_a_dead_letter(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    poison = operator.submit(worker, max_delivery_attempts=3)
    for attempt in (1, 2, 3):
        with agent(worker, commons, "--halt-at", "working") as doomed:
            assert doomed.hear("delivered")["delivery"]["delivery_attempt"] == attempt
            doomed.hear("halted")
    dead = operator.wait_for(poison, "FAILED")
    harmless = operator.submit(worker)
    with agent(worker, commons) as healthy:
        healthy.hear("done")

        assert [line["intent_id"] for line in healthy.heard("delivered")] == [harmless]
    assert dead["error"]["code"] == "delivery_attempts_exhausted"
    *_, warning, end = operator.events(poison)
    assert (warning["event_type"], warning["status"]) == ("intent.delivery_failed", "FAILED")
    assert warning["details"] == {"delivery_attempt": "3"}
    assert (end["event_type"], end["status"]) == ("intent.failed", "FAILED")
    assert end["error"]["code"] == "delivery_attempts_exhausted"


@pytest.fixture(scope="module")
def impatient() -> Iterator[Perdure]:
    """A Perdure whose leases last three seconds."""
    with Perdure(web=1, PERDURE_LEASE_SECONDS="3") as running:
        yield running
        verify_history(running)


@pytest.fixture
def manager(impatient: Perdure) -> Iterator[Operator]:
    """The operator of that one."""
    with Operator.of(impatient) as manager:
        yield manager
    assert_histories_add_up(impatient)


def test_an_agent_that_is_merely_slow_is_not_given_its_work_again(
    impatient: Perdure, manager: Operator
) -> None:
    slow, steady = manager.register(), manager.register()
    by_stream, by_socket = manager.submit(slow), manager.submit(steady)
    with (
        agent(slow, impatient, "--work", "8") as first,
        agent(slow, impatient) as idle,
        socket_agent(steady, impatient, "--work", "8") as second,
    ):
        wait_until(lambda: first.heard("done") or idle.heard("done"), 15, "the slow agent is done")
        second.hear("done", 15)
        deliveries = [*first.heard("delivered"), *idle.heard("delivered"), *second.heard("delivered")]
    for intent_id in (by_stream, by_socket):
        manager.wait_for(intent_id, "COMPLETED")
        assert manager.intent(intent_id)["delivery_attempt"] == 1

    assert [line["delivery"].get("redelivery") for line in deliveries] == [False, False]


def test_a_frozen_agent_loses_its_lease_and_its_late_result_is_refused(
    impatient: Perdure, manager: Operator
) -> None:
    worker = manager.register()
    intent_id = manager.submit(worker)
    with socket_agent(worker, impatient, "--work", "1.5") as hung:
        hung.hear("read")
        hung.freeze()
        with socket_agent(worker, impatient) as healthy:
            healthy.hear("done", 30)
        hung.thaw()
        result = wait_until(
            lambda: next(
                (line["frame"] for line in hung.heard("told") if line["frame"]["type"] == "result"), None
            ),
            10,
            "the late result is answered",
        )
    ended = manager.intent(intent_id)
    story = manager.story(intent_id)

    assert result is not None
    assert result["results"][0]["error"]["code"] in {"intent_terminal", "lease_lost"}
    assert ended["delivery_attempt"] == 2
    assert [f"intent.{event}" in TERMINAL_EVENTS for event in story].count(True) == 1
