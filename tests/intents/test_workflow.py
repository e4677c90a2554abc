"""Scenarios as they run: steps in order, retries, failures, waiting, and ends from outside."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from intents import ledger, sweep
from intents.errors import Outcome
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, Intent, Timer
from intents.records import Ending, Slot
from tests.intents.factories import history, hold, slot
from tests.intents.scenario_world import Play, check_histories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def histories(db: None) -> Iterator[None]:
    yield
    check_histories()


def test_the_first_step_is_owed_to_its_agent_while_the_parent_is_in_progress() -> None:
    play = Play({"input": {"limit": 5}})

    assert play.answer["status"] == play.status == Status.IN_PROGRESS
    [started] = play.details(EventType.IN_PROGRESS)
    assert started["step_id"] == "s1"
    assert started["pending_with"] == play.workflow.pending_with
    assert started["pending_with"] == {"type": "agent", "ref": play.agent.address, "name": "worker-demo"}
    assert play.payload(play.claim()) == {
        "parent_payload": {"rows": 3},
        "parent_intent_id": str(play.parent.pk),
        "scenario_id": "demo.checkpoint-resume.v1",
        "step_id": "s1",
        "input": {"limit": 5},
        "previous_results": {},
    }
    assert not Delivery.objects.filter(intent=play.parent).exists()


def test_each_result_starts_the_next_step_and_the_last_one_completes_the_parent() -> None:
    play = Play({}, {})

    play.end(result={"rows": 3})
    second = play.claim()
    assert play.payload(second)["previous_results"] == {"s1": {"rows": 3}}
    ledger.finish([Ending(hold(play.children[1]), EventType.COMPLETED, {"result": {"good": 2}})])

    assert play.status == Status.COMPLETED
    steps = {"s1": {"rows": 3}, "s2": {"good": 2}}
    assert play.details(EventType.COMPLETED) == [{"result": {"good": 2, "steps": steps}}]
    assert play.workflow.pending_with is None


def test_a_step_that_failed_is_tried_again_after_a_delay_as_often_as_its_policy_says() -> None:
    play = Play({"retry": {"max_retries": 1, "retry_delay_seconds": 30}})

    play.end(EventType.FAILED, error={"code": "oops"})
    assert ledger.claim([slot(play.agent)]) == []
    assert play.status == Status.IN_PROGRESS
    assert play.details(EventType.IN_PROGRESS)[-1]["step_retry"] == 1
    play.let_time_pass()
    play.end(EventType.FAILED, error={"code": "oops"})

    assert play.status == Status.FAILED
    assert len(play.children) == 2
    assert play.details(EventType.FAILED)[0]["error"] == {"code": "oops", "step_id": "s1"}


def test_a_retry_that_succeeds_goes_on_with_the_next_step() -> None:
    play = Play({"retry": {"max_retries": 1, "retry_delay_seconds": 0}}, {})

    play.end(EventType.FAILED, error={"code": "oops"})
    play.end(result={"ok": True})

    assert play.payload(play.claim())["step_id"] == "s2"
    assert play.workflow.step_retries == 0


def test_a_step_whose_attempts_ran_out_fails_and_goes_where_its_failure_leads() -> None:
    play = Play({"on_failure": "s3"}, {}, {})
    Delivery.objects.update(attempt=3)

    sweep.sweep()

    lease = play.claim()
    assert play.payload(lease)["step_id"] == "s3"
    error = play.payload(lease)["previous_results"]["s1"]["error"]
    assert (error["code"], error["step_id"]) == ("delivery_attempts_exhausted", "s1")


def test_success_leads_where_the_step_says() -> None:
    play = Play({"on_success": "s3"}, {}, {})

    play.end(result={})

    assert play.payload(play.claim())["step_id"] == "s3"


def test_a_step_whose_time_is_up_is_timed_out_and_fails_the_parent() -> None:
    play = Play({"step_deadline_seconds": 120, "retry": {"max_retries": 5}, "escalate_to": "boss"})
    play.let_time_pass()

    sweep.sweep()

    [child] = play.children
    assert child.status == Status.TIMED_OUT
    assert play.status == Status.FAILED
    assert play.details(EventType.FAILED)[0]["error"]["code"] == "step_timeout"
    assert play.details(EventType.ESCALATED) == [{"step_id": "s1", "escalated_to": "boss"}]


def test_the_time_of_a_step_counts_from_its_first_try() -> None:
    retry = {"max_retries": 9, "retry_delay_seconds": 30}
    play = Play({"step_deadline_seconds": 40, "retry": retry})

    play.end(EventType.FAILED, error={"code": "oops"})
    first, second = play.children
    assert first.deadline_at
    assert second.deadline_at
    assert abs((second.deadline_at - first.deadline_at).total_seconds()) <= 1
    Intent.objects.filter(pk=second.pk).update(deadline_at=first.created_at)
    play.let_time_pass()
    ledger.finish([Ending(hold(second), EventType.FAILED, {"error": {"code": "oops"}})])

    assert play.status == Status.FAILED  # no time is left for a third


def test_a_delay_waits_for_its_time_and_goes_on() -> None:
    play = Play({"runtime_type": "delay", "config": {"seconds": 60}}, {})
    assert (play.status, play.parent.waiting_reason) == (Status.WAITING, "WAITING_FOR_TIME")
    assert play.answer["status"] == "WAITING"

    sweep.sweep()
    assert play.status == Status.WAITING
    play.let_time_pass()
    sweep.sweep()

    assert play.status == Status.IN_PROGRESS
    assert play.payload(play.claim())["previous_results"] == {"s1": {"waited_seconds": 60}}


def test_a_timeout_waits_and_then_fails() -> None:
    play = Play({"runtime_type": "timeout", "config": {"seconds": 60}})
    play.let_time_pass()

    sweep.sweep()

    assert play.status == Status.FAILED
    assert play.details(EventType.FAILED)[0]["error"]["code"] == "step_timeout"


def test_steps_of_the_runtime_are_noted_and_passed() -> None:
    play = Play(
        {"runtime_type": "notification", "config": {"to": "ops", "subject": "begins"}},
        {"runtime_type": "reminder"},
        {"runtime_type": "escalation", "escalate_to": "boss"},
        {},
    )

    assert history(play.parent.pk)[2:] == [
        EventType.TRANSFER,
        EventType.REMINDER,
        EventType.ESCALATED,
        EventType.IN_PROGRESS,
    ]
    play.end(result={"done": 1})
    assert play.details(EventType.COMPLETED)[0]["result"]["steps"]["s3"] == {"escalated_to": "boss"}


def test_a_workflow_of_nothing_to_wait_for_completes_at_once() -> None:
    play = Play({"runtime_type": "reminder"})

    assert play.answer["status"] == play.status == Status.COMPLETED


def test_canceling_the_parent_cancels_the_open_child() -> None:
    play = Play({}, {})
    play.claim()

    play.parent.cancel(actor="human:ann", reason="enough")

    [child] = play.children
    assert (play.status, child.status) == (Status.CANCELED, Status.CANCELED)
    assert not Delivery.objects.exists()


def test_a_parent_past_its_deadline_takes_its_child_along() -> None:
    play = Play({}, deadline_at="2999-01-01T00:00:00Z")
    play.let_time_pass()

    sweep.sweep()

    assert play.status == Status.TIMED_OUT
    assert [child.status for child in play.children] == [Status.CANCELED]


def test_resolving_the_parent_ends_the_workflow() -> None:
    play = Play({}, {})

    ledger.finish([Ending(hold(play.parent), EventType.COMPLETED, {"result": {"by": "hand"}})])

    assert [child.status for child in play.children] == [Status.CANCELED]
    assert play.details(EventType.COMPLETED) == [{"result": {"by": "hand"}}]


def test_a_child_that_is_canceled_fails_its_step_without_a_retry() -> None:
    play = Play({"retry": {"max_retries": 3}})

    play.children[0].cancel(actor="human:ann")

    assert play.status == Status.FAILED
    assert play.details(EventType.FAILED)[0]["error"]["code"] == "step_canceled"


def test_children_of_several_scenarios_move_their_parents_in_one_call() -> None:
    plays = [Play({}, {}) for _ in range(3)]
    endings = [
        Ending(hold(play.children[0]), EventType.COMPLETED, {"result": {"at": number}})
        for number, play in enumerate(plays)
    ]

    ledger.finish(endings)

    for number, play in enumerate(plays):
        assert play.payload(play.claim())["previous_results"] == {"s1": {"at": number}}


def test_a_parent_and_its_child_that_end_in_one_call_start_nothing() -> None:
    play = Play({}, {})

    ledger.finish(
        [
            Ending(hold(play.children[0]), EventType.COMPLETED, {"result": {}}),
            Ending(hold(play.parent), EventType.CANCELED),
        ]
    )

    assert play.status == Status.CANCELED
    assert [child.status for child in play.children] == [Status.COMPLETED]


def test_a_failure_to_start_the_next_step_leaves_the_child_open(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play({}, {})
    execute = ledger._execute

    def fail(statement: Any) -> Any:
        if statement[0] == "move_workflows":
            raise RuntimeError("the process dies")
        return execute(statement)

    monkeypatch.setattr(ledger, "_execute", fail)
    with pytest.raises(RuntimeError):
        ledger.finish([Ending(hold(play.children[0]), EventType.COMPLETED, {"result": {}})])
    monkeypatch.undo()

    assert [child.status for child in play.children] == [Status.SUBMITTED]
    play.end(result={})
    assert play.payload(play.claim())["step_id"] == "s2"


@pytest.mark.django_db(transaction=True)
def test_two_who_end_the_same_step_start_the_next_one_once() -> None:
    plays = [Play({}, {}) for _ in range(8)]

    def complete(play: Play) -> Outcome:
        try:
            ending = Ending(hold(play.children[0]), EventType.COMPLETED, {"result": {}})
            return ledger.finish([ending])[0].outcome
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(complete, [play for play in plays for _ in range(2)]))

    assert sorted(outcomes) == sorted([Outcome.ALREADY_ENDED, Outcome.DONE] * len(plays))
    assert [len(play.children) for play in plays] == [2] * len(plays)


@pytest.mark.django_db(transaction=True)
def test_a_result_and_a_cancellation_of_the_parent_at_once_leave_nothing_open() -> None:
    plays = [Play({}, {}) for _ in range(6)]
    rooms = [Slot(play.agent.pk, 1, 1, play.agent.organization_id, 30) for play in plays]
    ledger.claim(rooms)

    def complete(play: Play) -> None:
        try:
            ledger.finish([Ending(hold(play.children[0]), EventType.COMPLETED, {"result": {}})])
        finally:
            connections.close_all()

    def cancel(play: Play) -> None:
        try:
            play.parent.cancel(actor="human:ann")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        running: list[Future[None]] = []
        for play in plays:
            running += [pool.submit(complete, play), pool.submit(cancel, play)]
        for future in running:
            future.result()

    assert {play.status for play in plays} == {Status.CANCELED}
    assert not Intent.objects.open().exists()
    assert not Delivery.objects.exists()
    assert not Timer.objects.exists()
    ends = Event.objects.filter(type=EventType.CANCELED, intent__parent=None)
    assert ends.count() == len(plays)
