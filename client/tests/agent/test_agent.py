"""Agents in real processes, beside a real server."""

from __future__ import annotations

import signal

import pytest

from support.crew import Crew
from support.polling import wait_until
from support.server import Server


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_a_handler_returns_is_the_result(kind: str, crew: Crew) -> None:
    crew.start(kind)
    intents = [crew.submit("work") for _ in range(20)]

    assert [crew.result(each)["kind"] for each in intents] == [kind] * 20
    assert not crew.is_blocked()


def test_a_handler_that_raises_is_given_the_intent_again(crew: Crew) -> None:
    crew.start()
    # Many, because the next attempt may come together with the answer to the failure of this one.
    intents = [crew.submit("work", {"fails_until": 3}) for _ in range(20)]

    assert [crew.result(each)["attempt"] for each in intents] == [3] * 20


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        ("work", {"raise": "fatal"}, "bad_rows"),
        ("other", {}, "no_handler"),
        ("too_large", {}, "result_too_large"),
        ("nul", {}, "result_refused"),
    ],
)
def test_what_cannot_succeed_fails_at_once_says_why_and_takes_nothing_with_it(
    kind: str, payload: dict[str, str], code: str, crew: Crew
) -> None:
    crew.start()
    bad = crew.submit(kind, payload)
    good = [crew.submit("work") for _ in range(3)]

    ended = crew.ended(bad)

    assert (ended.status, ended.attempt, ended.error["code"]) == ("FAILED", 1, code)
    assert [crew.ended(each).status for each in good] == ["COMPLETED"] * 3
    if code == "bad_rows":
        assert (ended.error["message"], ended.error["rows"]) == ("of no use", 3)


@pytest.mark.parametrize(("kind", "told"), [("sync", "Canceled"), ("async", "CanceledInTask")])
def test_a_handler_is_told_that_its_intent_was_canceled(kind: str, told: str, crew: Crew) -> None:
    crew.start(kind)
    intent = crew.submit("work", {"seconds": 60})
    crew.wait_for("begin 1")

    crew.client.cancel(intent.id, reason="no longer wanted")

    crew.wait_for("begin 1", told)


def test_the_work_of_a_killed_agent_goes_to_the_next(crew: Crew) -> None:
    first = crew.start()
    intent = crew.submit("work", {"seconds": 600})
    crew.wait_for("begin 1")
    crew.wait_until_counted(intent)

    first.kill()
    crew.start(notes="other")
    wait_until(lambda: crew.notes("other"), what="the other has it")
    crew.say_enough("other")

    assert crew.result(intent)["attempt"] == 2
    assert (crew.notes(), crew.notes("other")) == (["begin 1"], ["begin 2", "end 2"])


def test_an_agent_that_is_told_to_stop_finishes_what_it_has_and_takes_nothing_new(crew: Crew) -> None:
    agent = crew.start()
    intent = crew.submit("work", {"seconds": 1})
    crew.wait_for("begin 1")

    agent.signal(signal.SIGTERM)
    late = crew.submit("work")

    assert agent.process.wait(60) == 0
    assert crew.client.get(intent.id).outcome()["attempt"] == 1
    assert crew.client.get(late.id).status in ("SUBMITTED", "DELIVERED")


def test_an_agent_that_is_told_twice_to_stop_stops_at_once_and_leaves_its_work_to_others(crew: Crew) -> None:
    agent = crew.start()
    intent = crew.submit("work", {"seconds": 600}, max_delivery_attempts=2)
    crew.wait_for("begin 1")

    agent.signal(signal.SIGTERM)
    agent.signal(
        signal.SIGINT
    )  # as good as a second SIGTERM, which the system may deliver as one with the first

    assert agent.process.wait(60) == 0
    crew.start(notes="other")
    wait_until(lambda: crew.notes("other"), what="the other has it")
    assert crew.notes() == ["begin 1"]
    crew.say_enough("other")
    crew.result(intent)


def test_work_goes_on_and_is_recorded_once_though_the_server_was_killed(crew: Crew, server: Server) -> None:
    crew.start()
    intent = crew.submit("work", {"seconds": 1})
    crew.wait_for("begin 1")

    server.kill()
    crew.wait_for("begin 1", "end 1")
    server.start()

    assert crew.ended(intent).status == "COMPLETED"
    assert crew.notes() == ["begin 1", "end 1"]
    events = [event.type for event in crew.client.events(intent.id, follow=False)]
    assert events.count("intent.completed") == 1
