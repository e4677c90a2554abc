"""The sweep: what time brings about, once, whoever sweeps and however often."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Connection, WebProcess
from intents import controls, ledger, sweep, timers
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, IdempotencyRecord, Intent, SweepRun, Timer
from intents.models.timer import TimerKind
from intents.operations import Statement
from intents.records import Ending, Row, Wait
from intents.signals import Changes, changed
from tests.intents.factories import (
    history,
    hold,
    make_delivery,
    make_intent,
    make_intents,
    make_recipient,
    slot,
)


@pytest.fixture
def agent(db: None) -> Agent:
    return make_recipient()


def is_due(intent: Intent, kind: str = TimerKind.DEADLINE, *, since: float = 0) -> None:
    """Let the intent's timer have become due so many seconds ago."""
    assert Timer.objects.filter(intent=intent, kind=kind).update(due_at=Now() - timedelta(seconds=since))


def details(intent: Intent, event: EventType) -> list[dict[str, Any]]:
    found = Event.objects.filter(intent=intent, type=event).order_by("seq")
    return list(found.values_list("details", flat=True))


def seconds_left(intent: Intent, kind: str) -> float:
    [left] = Timer.objects.filter(intent=intent, kind=kind).values_list(F("due_at") - Now(), flat=True)
    return float(left.total_seconds())


def test_an_intent_past_its_deadline_times_out_and_others_do_not(agent: Agent) -> None:
    overdue = make_intent(agent, ttl_seconds=60)
    in_time = make_intent(agent, ttl_seconds=60)
    is_due(overdue)

    swept = sweep.sweep()

    overdue.refresh_from_db()
    in_time.refresh_from_db()
    assert (overdue.status, in_time.status) == (Status.TIMED_OUT, Status.SUBMITTED)
    assert overdue.replayed() == Status.TIMED_OUT
    assert details(overdue, EventType.TIMED_OUT)[0]["error"]["code"] == "intent_timeout"
    assert not Delivery.objects.filter(intent=overdue).exists()
    assert Timer.objects.get().intent_id == in_time.pk
    assert swept.fired == 1


def test_a_deadline_of_what_has_ended_changes_nothing(agent: Agent) -> None:
    intent = make_intent(agent)
    ledger.finish([Ending(hold(intent), EventType.COMPLETED)])
    Timer.objects.create(intent=intent, kind=TimerKind.DEADLINE, due_at=Now())

    sweep.sweep()

    assert history(intent.pk)[-1] == EventType.COMPLETED
    assert not Timer.objects.exists()


def test_more_deadlines_than_a_batch_pass_in_one_sweep(agent: Agent) -> None:
    made = make_intents(agent, sweep.BATCH + 7, ttl_seconds=60)
    Timer.objects.update(due_at=Now())

    assert sweep.sweep().fired == len(made)
    assert Intent.objects.filter(status=Status.TIMED_OUT).count() == len(made)


def test_an_intent_whose_last_attempt_is_over_becomes_a_dead_letter(agent: Agent) -> None:
    spent = make_delivery(agent, lease_ends_in=-1, attempt=3)
    at_work = make_delivery(agent, lease_ends_in=30, attempt=3)
    lost = make_delivery(agent, lease_ends_in=-1, attempt=2)

    sweep.sweep()

    assert history(spent.intent_id)[-2:] == [EventType.DELIVERY_FAILED, EventType.FAILED]
    assert set(Delivery.objects.all()) == {at_work, lost}


def test_an_idle_sweep_asks_once_and_says_that_it_ran(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    make_intent(agent, ttl_seconds=60, remind_after_seconds=60)
    assert sweep.last_run() is None
    asked: list[str] = []
    execute = ledger._execute

    def listen(statement: Statement) -> list[Row]:
        asked.append(statement[0])
        return execute(statement)

    monkeypatch.setattr(ledger, "_execute", listen)
    with CaptureQueriesContext(connection) as besides:
        assert sweep.sweep() == sweep.Swept()

    assert asked == ["sweep"]
    assert [query["sql"] for query in besides if "SAVEPOINT" not in query["sql"]] == []
    assert sweep.last_run() is not None


def test_the_sweep_rings_for_what_became_due_and_not_for_what_has_long_been(
    agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    others = [make_recipient() for _ in range(3)]
    make_delivery(agent, lease_ends_in=-1)
    make_delivery(others[0], due_in=-500)
    make_delivery(others[1], due_in=500)
    make_delivery(others[2], lease_ends_in=-1, attempt=3)
    SweepRun.objects.update(ran_at=Now())

    rung = _rings(django_capture_on_commit_callbacks)

    assert rung.agents == {agent.pk}


def test_a_sweep_after_a_pause_rings_for_all_that_became_due_meanwhile(
    agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    make_delivery(agent, due_in=-500)
    SweepRun.objects.update(ran_at=Now() - timedelta(seconds=1000))

    assert _rings(django_capture_on_commit_callbacks).agents == {agent.pk}


def _rings(capture: Any) -> Changes:
    rung = Changes()

    def hear(changes: Changes, **_: Any) -> None:
        rung.agents |= changes.agents

    changed.connect(hear)
    try:
        with capture(execute=True):
            sweep.sweep()
    finally:
        changed.disconnect(hear)
    return rung


def test_reminders_come_at_their_interval_until_they_are_used_up(agent: Agent) -> None:
    attributes = '{"remind_interval_seconds": 30, "max_reminders": 2}'
    intent = make_intent(agent, remind_after_seconds=60, attributes=attributes)

    is_due(intent, TimerKind.REMINDER, since=5)
    sweep.sweep()
    assert 24 < seconds_left(intent, TimerKind.REMINDER) < 26  # keeps its beat
    is_due(intent, TimerKind.REMINDER)
    sweep.sweep()

    assert [one["remind_count"] for one in details(intent, EventType.REMINDER)] == [1, 2]
    assert not Timer.objects.exists()
    assert intent.replayed() == Status.SUBMITTED


def test_an_interval_that_is_not_given_is_as_long_as_the_first(agent: Agent) -> None:
    intent = make_intent(agent, remind_after_seconds=60)
    Intent.objects.filter(pk=intent.pk).update(created_at=Now() - timedelta(seconds=60))
    is_due(intent, TimerKind.REMINDER)

    sweep.sweep()

    assert 59 < seconds_left(intent, TimerKind.REMINDER) < 61


def test_reminders_that_were_missed_do_not_come_all_at_once(agent: Agent) -> None:
    intent = make_intent(agent, remind_after_seconds=60, attributes='{"remind_interval_seconds": 30}')
    is_due(intent, TimerKind.REMINDER, since=3600)

    sweep.sweep()

    assert len(details(intent, EventType.REMINDER)) == 1
    assert 29 < seconds_left(intent, TimerKind.REMINDER) <= 30


def test_reminders_that_moved_nobody_are_escalated_once(agent: Agent) -> None:
    attributes = '{"max_reminders": 1, "escalate_to": "boss"}'
    intent = make_intent(agent, remind_after_seconds=60, attributes=attributes)

    for _ in range(2):
        is_due(intent, TimerKind.REMINDER)
        sweep.sweep()

    assert history(intent.pk)[2:] == [EventType.REMINDER, EventType.ESCALATED]
    assert details(intent, EventType.ESCALATED) == [{"escalated_to": "boss"}]
    assert not Timer.objects.exists()


@pytest.mark.parametrize("maximum", [1, None])
def test_reminders_that_are_used_up_by_a_patch_end_and_the_others_come(
    agent: Agent, maximum: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    intent = make_intent(agent, remind_after_seconds=60, attributes='{"max_reminders": 5}')
    for _ in range(3):
        is_due(intent, TimerKind.REMINDER)
        sweep.sweep()
    other = make_intent(agent, remind_after_seconds=60)
    controls.patch_controls(intent.pk, {"max_reminders": maximum})

    is_due(intent, TimerKind.REMINDER)
    is_due(other, TimerKind.REMINDER)
    sweep.sweep()

    assert not Timer.objects.filter(intent=intent).exists()
    assert history(intent.pk)[2:] == [EventType.REMINDER] * 3
    assert history(other.pk)[2:] == [EventType.REMINDER]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_nobody_is_reminded_of_what_times_out_at_the_same_moment(agent: Agent) -> None:
    intent = make_intent(agent, ttl_seconds=60, remind_after_seconds=60)
    Timer.objects.update(due_at=Now())

    sweep.sweep()

    assert history(intent.pk)[2:] == [EventType.TIMED_OUT]
    assert not Timer.objects.exists()


def test_who_waited_for_a_time_is_owed_to_its_agent_again(agent: Agent) -> None:
    intent = make_intent(agent)
    ledger.wait([Wait(intent.pk, "WAITING_FOR_TIME")])
    Timer.objects.create(intent=intent, kind=TimerKind.WAKE, due_at=Now())

    sweep.sweep()

    intent.refresh_from_db()
    assert intent.status == Status.IN_PROGRESS
    assert [lease.intent_id for lease in ledger.claim([slot(agent)])] == [intent.pk]


def test_leases_of_a_web_process_that_died_end_and_its_connections_are_forgotten(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "DATABASE_UP_SECONDS", 0)
    SweepRun.objects.update_or_create(pk=1, defaults={"ran_at": ago(1), "awake_since": ago(60)})
    dead, alive = _delivery_held_by_process(agent, unseen=6), _delivery_held_by_process(agent, unseen=2)

    assert sweep.sweep().lost_sessions == 1

    assert [lease.intent_id for lease in ledger.claim([slot(agent, 5)])] == [dead]
    assert Connection.objects.get().session == Delivery.objects.get(intent=alive).lease_session


def test_a_database_that_has_just_started_takes_nobody_for_dead(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "DATABASE_UP_SECONDS", 10**9)
    _delivery_held_by_process(agent, unseen=60)

    assert sweep.sweep().lost_sessions == 0
    assert WebProcess.objects.exists()


@pytest.mark.parametrize(
    ("paused", "awake"), [(6, 60), (1, 4)], ids=["it stands still now", "it has stood still until lately"]
)
def test_who_was_silent_while_the_sweep_stood_still_itself_is_not_taken_for_dead(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, paused: float, awake: float
) -> None:
    monkeypatch.setattr(sweep, "DATABASE_UP_SECONDS", 0)
    SweepRun.objects.update_or_create(pk=1, defaults={"ran_at": ago(paused), "awake_since": ago(awake)})
    _delivery_held_by_process(agent, unseen=6)

    assert sweep.sweep().lost_sessions == 0
    assert sweep.sweep().lost_sessions == 0  # nor by the next, which does not know of the pause
    assert WebProcess.objects.exists()


def ago(seconds: float) -> Any:
    return Now() - timedelta(seconds=seconds)


def _delivery_held_by_process(agent: Agent, *, unseen: float) -> UUID:
    process = WebProcess.objects.create(
        id=uuid4(), host="h", pid=1, seen_at=Now() - timedelta(seconds=unseen)
    )
    delivery = make_delivery(agent, lease_ends_in=30)
    assert delivery.lease_session
    Connection.objects.create(
        id=uuid4(), session=delivery.lease_session, process=process, agent=agent, key_id="k", transport="sse"
    )
    return delivery.intent_id


def test_a_timer_that_cannot_be_fired_fails_alone_and_rests(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_intent(agent, ttl_seconds=60), make_intent(agent, ttl_seconds=60)
    Timer.objects.update(due_at=Now())
    reason = timers._timed_out

    def fail(row: Any) -> Any:
        if row["intent_id"] == bad.pk:
            raise RuntimeError("a bug")
        return reason(row)

    monkeypatch.setattr(timers, "_timed_out", fail)

    sweep.sweep()

    good.refresh_from_db()
    assert good.status == Status.TIMED_OUT
    assert 50 < seconds_left(bad, TimerKind.DEADLINE) <= 60


def test_idempotency_keys_are_kept_a_day(agent: Agent) -> None:
    for key, hours in ("old", 25), ("young", 23):
        IdempotencyRecord.objects.create(
            agent_id=agent.pk,
            method="POST",
            path="/v1/x",
            key=key,
            request_hash=b"",
            created_at=Now() - timedelta(hours=hours),
        )

    assert sweep.forget_old_requests() == 1
    assert IdempotencyRecord.objects.get().key == "young"


@pytest.mark.django_db(transaction=True)
def test_four_sweeps_at_once_end_each_intent_once() -> None:
    agent = make_recipient()
    made = make_intents(agent, 150, ttl_seconds=60, remind_after_seconds=60)
    spent = [make_delivery(agent, lease_ends_in=-1, attempt=3).intent_id for _ in range(10)]
    Timer.objects.update(due_at=Now() - timedelta(seconds=1))

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(_sweep_in_thread) for _ in range(8)]
        assert sum(run.result().fired for run in runs) == 2 * len(made)

    ends = Event.objects.filter(type__in=[EventType.TIMED_OUT, EventType.FAILED])
    assert ends.count() == len(made) + len(spent)
    assert not Event.objects.filter(type=EventType.REMINDER).exists()
    assert all(intent.replayed() == intent.status for intent in Intent.objects.all())


@pytest.mark.django_db(transaction=True)
def test_a_result_and_a_deadline_at_the_same_moment_end_an_intent_once() -> None:
    agent = make_recipient()
    made = [make_intent(agent, ttl_seconds=60) for _ in range(40)]
    Timer.objects.update(due_at=Now())

    def complete() -> None:
        for intent in made:
            ledger.finish([Ending(hold(intent), EventType.COMPLETED, {"result": 1})])
        connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        runs: list[Future[Any]] = [
            pool.submit(each) for each in (complete, _sweep_in_thread, _sweep_in_thread)
        ]
        for run in runs:
            run.result()
    sweep.sweep()

    assert Event.objects.filter(type__in=[EventType.TIMED_OUT, EventType.COMPLETED]).count() == len(made)
    assert all(intent.replayed() == intent.status for intent in Intent.objects.all())
    assert not Timer.objects.exists()


def _sweep_in_thread() -> sweep.Swept:
    try:
        return sweep.sweep()
    finally:
        connections.close_all()
