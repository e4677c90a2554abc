"""The kill switch in the ledger: nothing goes to a killed agent or comes from it, however close the race."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now

from agents import mesh
from agents.errors import AgentKilled
from agents.models import Agent
from intents import blocking, ledger, repeating
from intents.blocking import Obstacle
from intents.errors import Outcome
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Hold, Release
from tests.intents.factories import history, hold, make_intent, make_recipient, slot, submission
from tests.intents.racing import assert_all_is_consistent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def kill(agent: Agent, reason: str = "") -> None:
    mesh.kill(agent, by="test", reason=reason)


# -- what a killed agent cannot do --------------------------------------------------------------------------------


def test_nothing_new_goes_to_a_killed_agent_or_comes_from_it(agent: Agent) -> None:
    other = make_recipient(beside=agent)
    kill(agent)

    to_it, from_it, between_others = ledger.submit(
        [
            submission(agent, sender_id=other.pk),
            submission(other, sender_id=agent.pk),
            submission(other, sender_id=other.pk),
        ]
    )

    assert [each.outcome for each in (to_it, from_it, between_others)] == [
        "recipient_killed",
        "sender_killed",
        "done",
    ]
    assert Intent.objects.get().pk == between_others.intent_id


@pytest.mark.parametrize("killed", ["recipient", "sender"])
def test_what_was_recorded_before_the_kill_answers_as_the_first_time(agent: Agent, killed: str) -> None:
    other = make_recipient(beside=agent)
    names = ("order-1", "order-1", "order-2")
    first, again, new = (submission(agent, sender_id=other.pk, idempotency_key=name) for name in names)
    ledger.submit([first])
    kill(agent if killed == "recipient" else other)

    answers = ledger.submit([again, new])

    assert [answer.outcome for answer in answers] == ["repeated", f"{killed}_killed"]
    assert answers[0].intent_id == first.id
    assert Intent.objects.get().pk == first.id


def test_a_running_scenario_goes_on_and_its_step_for_a_killed_agent_waits(agent: Agent) -> None:
    parent = make_intent(agent, is_owed=False)
    kill(agent)

    [step] = ledger.submit([submission(agent, parent_id=parent.pk)])

    assert step.outcome == "done"
    assert ledger.claim([slot(agent)]) == []


def test_a_killed_agent_is_given_nothing_and_another_is(agent: Agent) -> None:
    other = make_recipient(beside=agent)
    make_intent(agent)
    theirs = make_intent(other)
    kill(agent)

    leases = ledger.claim([slot(agent), slot(other)])

    assert [lease.intent_id for lease in leases] == [theirs.pk]


def as_its_agent(intent: Intent) -> Hold:
    return hold(intent, agent_id=intent.recipient_id)


WRITES: dict[str, Callable[[Intent], Outcome]] = {
    "complete": lambda intent: (
        ledger.finish([Ending(as_its_agent(intent), EventType.COMPLETED, {"result": {}})])[0].outcome
    ),
    "fail": lambda intent: (
        ledger.finish([Ending(as_its_agent(intent), EventType.FAILED, {"error": {}})])[0].outcome
    ),
    "acknowledge": lambda intent: ledger.acknowledge([as_its_agent(intent)])[0].outcome,
    "release": lambda intent: ledger.release([Release(as_its_agent(intent), "released")])[0].outcome,
    "extend": lambda intent: (
        ledger.extend(
            [
                hold(
                    intent,
                    agent_id=intent.recipient_id,
                    token=Delivery.objects.get(intent=intent).lease_token or uuid4(),
                )
            ]
        )[0].outcome
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_of_a_killed_agent_is_refused(agent: Agent, write: str) -> None:
    intent = make_intent(agent)
    ledger.claim([slot(agent)])
    before = history(intent.pk)
    kill(agent)

    assert WRITES[write](intent) == Outcome.AGENT_KILLED

    assert history(intent.pk) == before
    assert_all_is_consistent()


@pytest.mark.parametrize("carried", ["token", "session"])
def test_an_administrators_key_writes_for_a_killed_agent_no_more_than_its_own(
    agent: Agent, carried: str
) -> None:
    intent = make_intent(agent)
    [lease] = ledger.claim([slot(agent)])
    kill(agent)
    who = {"token": {"token": lease.lease_token}, "session": {"session": lease.lease_session}}[carried]

    [done] = ledger.finish([Ending(hold(intent, **who), EventType.COMPLETED, {"result": {}})])

    assert done.outcome == Outcome.AGENT_KILLED


def test_an_operator_may_still_decide_what_becomes_of_its_intents(agent: Agent) -> None:
    intent = make_intent(agent)
    kill(agent)

    assert intent.cancel(actor="human:admin") == Outcome.DONE


def test_a_stranger_does_not_learn_that_it_is_killed(agent: Agent) -> None:
    intent = make_intent(agent)
    stranger = make_recipient()
    kill(agent)

    foreign = Hold(intent.pk, stranger.organization_id, agent_id=stranger.pk)
    neighbour = hold(intent, agent_id=make_recipient(beside=agent).pk)
    outcomes = [
        done.outcome
        for done in ledger.finish([Ending(each, EventType.COMPLETED) for each in (foreign, neighbour)])
    ]

    assert outcomes == [Outcome.UNKNOWN, Outcome.FORBIDDEN]


def test_an_intent_of_a_killed_agent_cannot_be_retried(agent: Agent) -> None:
    intent = make_intent(agent)
    intent.cancel(actor="test")
    intent.refresh_from_db()
    kill(agent)

    with pytest.raises(AgentKilled):
        repeating.retry(intent, actor="test")


# -- what becomes of open intents ---------------------------------------------------------------------------------


def test_what_it_held_is_taken_from_it_and_neither_attempt_nor_history_knows(agent: Agent) -> None:
    intent = make_intent(agent, max_delivery_attempts=1)
    [lease] = ledger.claim([slot(agent)])
    ledger.acknowledge([hold(intent, token=lease.lease_token)])
    before = Intent.objects.filter(pk=intent.pk).values().get(), history(intent.pk)

    kill(agent)

    assert (Intent.objects.filter(pk=intent.pk).values().get(), history(intent.pk)) == before
    delivery = Delivery.objects.get(intent=intent)
    assert (delivery.lease_token, delivery.attempt) == (None, 0)
    assert ledger.exhaust() == 0


def test_a_resumed_agent_is_given_all_of_it_again_the_last_attempt_included(agent: Agent) -> None:
    intent = make_intent(agent, max_delivery_attempts=1)
    ledger.claim([slot(agent)])
    kill(agent)

    mesh.resume(agent, by="test")

    [again] = ledger.claim([slot(agent)])
    assert (again.intent_id, again.attempt, again.returns) == (intent.pk, 1, 1)
    [done] = ledger.finish([Ending(hold(intent, token=again.lease_token), EventType.COMPLETED)])
    assert done.outcome == Outcome.DONE
    assert_all_is_consistent()


def test_what_was_said_under_the_lease_of_before_the_kill_is_not_recorded_after_it(agent: Agent) -> None:
    intent = make_intent(agent)
    [lease] = ledger.claim([slot(agent)])
    kill(agent)
    mesh.resume(agent, by="test")

    [late] = ledger.finish([Ending(hold(intent, token=lease.lease_token), EventType.COMPLETED)])

    assert late.outcome == Outcome.LEASE_LOST


def test_no_dead_letter_is_written_while_its_agent_is_killed(agent: Agent) -> None:
    intent = make_intent(agent, max_delivery_attempts=1)
    ledger.claim([slot(agent)])
    Delivery.objects.filter(intent=intent).update(lease_expires_at=Now())
    kill(agent)

    assert ledger.exhaust() == 0
    mesh.resume(agent, by="test")
    assert ledger.exhaust() == 1


def test_blocking_says_who_killed_the_agent_and_why(agent: Agent) -> None:
    intent = make_intent(agent)
    mesh.kill(agent, by="human:maria", reason="it deletes customers")

    found = blocking.explain_now(intent.pk)

    assert found is not None
    assert found.code == Obstacle.KILLED
    assert found.reason.startswith(f"{agent.address} was killed by human:maria at ")
    assert found.reason.endswith(" (it deletes customers).")
    mesh.resume(agent, by="test")
    again = blocking.explain_now(intent.pk)
    assert again is not None
    assert again.code == Obstacle.NEVER_CONNECTED


# -- races --------------------------------------------------------------------------------------------------------


def in_thread(call: Callable[[], Any]) -> Future[Any]:
    """Have it done on a database connection of its own."""

    def run() -> Any:
        try:
            return call()
        finally:
            connections.close_all()

    with_thread = ThreadPoolExecutor(1)
    future = with_thread.submit(run)
    with_thread.shutdown(wait=False)
    return future


def wait_for_a_lock() -> None:
    """Return once somebody waits for a lock; fail if nobody ever does."""
    deadline = threading.Event()
    timer = threading.Timer(20, deadline.set)
    timer.start()
    try:
        while not deadline.is_set():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                if cursor.fetchone()[0]:
                    return
        raise AssertionError("nobody has waited for a lock")
    finally:
        timer.cancel()


@contextmanager
def held_back(query: str, *parameters: Any) -> Iterator[None]:
    """Hold the rows of this query locked in another transaction, and let go at the end."""
    locked, let_go = threading.Event(), threading.Event()

    def hold_them() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(query, parameters)
            locked.set()
            assert let_go.wait(30)

    holder = in_thread(hold_them)
    assert locked.wait(10)
    try:
        yield
    finally:
        let_go.set()
        holder.result(10)


def test_a_result_that_began_before_the_kill_and_comes_after_it_is_refused(agent: Agent) -> None:
    intent = make_intent(agent)
    with held_back("SELECT FROM intents_delivery WHERE intent_id = %s FOR UPDATE", intent.pk):
        late = in_thread(lambda: WRITES["complete"](intent))
        wait_for_a_lock()  # its view of the world is from before the kill

        kill(agent)

    assert late.result(10) == Outcome.AGENT_KILLED
    assert Intent.objects.get(pk=intent.pk).status == Status.SUBMITTED


@pytest.mark.parametrize("what", ["submit", "claim", *WRITES])
def test_whoever_meets_the_kill_at_the_agents_row_is_refused(agent: Agent, what: str) -> None:
    intent = make_intent(agent)
    if what == "extend":
        ledger.claim([slot(agent)])
    calls: dict[str, Callable[[], Any]] = {
        **{name: lambda write=write: write(intent) for name, write in WRITES.items()},  # type: ignore[misc]
        "submit": lambda: ledger.submit([submission(agent)])[0].outcome,
        "claim": lambda: len(ledger.claim([slot(agent)])),
    }
    locked, let_go = threading.Event(), threading.Event()

    def kill_slowly() -> None:
        with transaction.atomic():
            Agent.objects.select_for_update().get(pk=agent.pk)
            Agent.objects.filter(pk=agent.pk).update(killed_at=Now(), killed_by="test")
            locked.set()
            assert let_go.wait(30)

    killing = in_thread(kill_slowly)
    assert locked.wait(10)
    late = in_thread(calls[what])
    wait_for_a_lock()
    let_go.set()
    killing.result(10)

    # A renewal does not look again for the reason; it is refused all the same.
    others = {"claim": 0, "submit": "sender_killed", "extend": Outcome.LEASE_LOST}
    assert late.result(10) == others.get(what, Outcome.AGENT_KILLED)
    assert Event.objects.filter(intent=intent).count() == (3 if what == "extend" else 2)


@pytest.mark.parametrize("what", ["claim", "complete", "submit"])
def test_a_kill_is_answered_only_when_what_it_came_too_late_for_is_over(agent: Agent, what: str) -> None:
    intent = make_intent(agent)
    calls: dict[str, Callable[[], Any]] = {
        "claim": lambda: ledger.claim([slot(agent)]),
        "complete": lambda: WRITES["complete"](intent),
        "submit": lambda: ledger.submit([submission(agent)]),
    }
    written, let_go = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            calls[what]()
            written.set()
            assert let_go.wait(30)

    writing = in_thread(write_slowly)
    assert written.wait(10)
    killing = in_thread(lambda: kill(agent))
    wait_for_a_lock()
    # It is in force for all others already, although it is not answered yet.
    assert ledger.submit([submission(agent)])[0].outcome == "sender_killed"
    assert not killing.done()
    let_go.set()
    writing.result(10)
    killing.result(10)

    assert not Delivery.objects.filter(lease_token__isnull=False).exists()  # also what was just claimed
    assert_all_is_consistent()
