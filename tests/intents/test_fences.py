"""The fences: who has lost a lease writes nothing, and an attempt is counted once."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from agents.models import Agent
from intents import ledger
from intents.errors import IntentNotFound, IntentTerminal, LeaseLost, NotYours, Outcome
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Release, Wait, Wake
from tests.intents.factories import (
    history,
    hold,
    make_delivery,
    make_intent,
    make_recipient,
    slot,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def complete(delivery: Delivery, token: UUID | None) -> Outcome:
    [done] = ledger.finish([Ending(hold(delivery, token=token), EventType.COMPLETED)])
    return done.outcome


def close(delivery: Delivery, token: UUID) -> Outcome:
    [done] = ledger.release([Release(hold(delivery, token=token), "closed")])
    return done.outcome


# -- fences -----------------------------------------------------------------------------------------------


def test_a_superseded_attempt_records_no_result(agent: Agent) -> None:
    stale = make_delivery(agent, lease_ends_in=-5)
    [current] = ledger.claim([slot(agent)])
    late = hold(stale, token=stale.lease_token)

    assert complete(stale, stale.lease_token) == Outcome.LEASE_LOST
    assert ledger.acknowledge([late])[0].outcome == Outcome.LEASE_LOST
    assert ledger.extend([late])[0].outcome == Outcome.LEASE_LOST
    assert ledger.release([Release(late, "released")])[0].outcome == Outcome.LEASE_LOST
    assert history(stale.intent_id)[-1] == "intent.in_progress"
    assert complete(stale, current.lease_token) == Outcome.DONE


def test_a_late_result_is_recorded_as_long_as_nobody_else_has_claimed(agent: Agent) -> None:
    expired = make_delivery(agent, lease_ends_in=-5)
    closed = make_delivery(agent, lease_ends_in=5)
    assert closed.lease_token
    close(closed, closed.lease_token)

    assert complete(expired, expired.lease_token) == Outcome.DONE
    assert complete(closed, closed.lease_token) == Outcome.DONE


def test_a_lease_of_a_connection_that_closed_is_renewed_by_nothing(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30)
    assert delivery.lease_token
    close(delivery, delivery.lease_token)
    late = hold(delivery, token=delivery.lease_token)

    assert ledger.extend([late])[0].outcome == Outcome.LEASE_LOST
    assert ledger.acknowledge([late])[0].outcome == Outcome.DONE
    assert [lease.intent_id for lease in ledger.claim([slot(agent)])] == [delivery.intent_id]


def test_a_session_that_another_has_replaced_writes_nothing(agent: Agent) -> None:
    delivery = make_delivery(agent)
    mine, theirs = slot(agent, seconds=0), slot(agent)
    ledger.claim([mine])
    ledger.claim([theirs])

    def end(session: UUID) -> Outcome:
        asked = hold(delivery, agent_id=agent.pk, session=session)
        return ledger.finish([Ending(asked, EventType.COMPLETED)])[0].outcome

    assert end(mine.session) == Outcome.LEASE_LOST
    assert end(theirs.session) == Outcome.DONE


def test_a_session_may_write_about_what_nobody_holds(agent: Agent) -> None:
    ready = make_delivery(agent)
    asked = hold(ready, agent_id=agent.pk, session=uuid4())

    assert ledger.acknowledge([asked])[0].outcome == Outcome.DONE
    assert history(ready.intent_id)[-2:] == ["intent.acknowledged", "intent.in_progress"]


def test_only_the_recipient_and_operators_of_its_tenant_change_an_intent(agent: Agent) -> None:
    intent, stranger = make_intent(agent), make_recipient()
    another = hold(intent, agent_id=make_recipient(beside=agent).pk)
    outside = hold(intent)
    outside.organization_id = stranger.organization_id

    for asked, outcome in [(another, Outcome.FORBIDDEN), (outside, Outcome.UNKNOWN)]:
        assert ledger.finish([Ending(asked, EventType.CANCELED)])[0].outcome == outcome
        assert ledger.acknowledge([asked])[0].outcome == outcome
        assert ledger.release([Release(asked, "released")])[0].outcome == outcome
    assert ledger.wake([Wake(outside)])[0].outcome == Outcome.UNKNOWN
    assert history(intent.pk) == ["intent.created", "intent.submitted"]


def test_every_outcome_but_done_raises_its_error() -> None:
    Outcome.DONE.check()
    for outcome, error in [
        (Outcome.ALREADY_ENDED, IntentTerminal),
        (Outcome.LEASE_LOST, LeaseLost),
        (Outcome.UNKNOWN, IntentNotFound),
        (Outcome.FORBIDDEN, NotYours),
    ]:
        with pytest.raises(error):
            outcome.check()


def test_a_wrong_token_beside_the_right_one_renews_nothing(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    right, wrong = hold(delivery, token=delivery.lease_token), hold(delivery, token=uuid4())

    outcomes = [done.outcome for done in ledger.extend([wrong, right, wrong])]

    assert outcomes == [Outcome.LEASE_LOST, Outcome.DONE, Outcome.LEASE_LOST]


def test_only_its_agent_and_operators_renew_a_lease_whoever_knows_its_token(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    agents = [make_recipient(beside=agent).pk, agent.pk, None]

    asked = [hold(delivery, token=delivery.lease_token, agent_id=agent_id) for agent_id in agents]

    assert [done.outcome for done in ledger.extend(asked)] == [Outcome.LEASE_LOST, Outcome.DONE, Outcome.DONE]
    assert ledger.extend(asked[:1])[0].outcome == Outcome.LEASE_LOST


def test_nobody_of_another_tenant_renews_a_lease_whoever_they_say_they_are(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    foreign = [hold(delivery, token=delivery.lease_token, agent_id=each) for each in (agent.pk, None)]
    for asked in foreign:
        asked.organization_id = make_recipient().organization_id
    own = hold(delivery, token=delivery.lease_token)
    delivery.refresh_from_db()
    expiry = delivery.lease_expires_at

    assert [done.outcome for done in ledger.extend(foreign)] == [Outcome.LEASE_LOST] * 2
    delivery.refresh_from_db()
    assert delivery.lease_expires_at == expiry
    assert [done.outcome for done in ledger.extend([*foreign, own])] == [Outcome.LEASE_LOST] * 2 + [
        Outcome.DONE
    ]


def test_whether_an_agent_is_killed_is_told_to_its_own_tenant_alone(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    asked = hold(delivery, token=delivery.lease_token, agent_id=agent.pk)
    Agent.objects.filter(pk=agent.pk).update(killed_at=Now(), killed_by="test")

    assert ledger.extend([asked])[0].outcome == Outcome.AGENT_KILLED
    asked.organization_id = make_recipient().organization_id
    assert ledger.extend([asked])[0].outcome == Outcome.LEASE_LOST


# -- attempts ---------------------------------------------------------------------------------------------


def test_an_attempt_that_had_not_started_is_given_back_three_times_and_then_counts(agent: Agent) -> None:
    delivery = make_delivery(agent)
    attempts = []
    for _ in range(6):
        [lease] = ledger.claim([slot(agent)])
        attempts.append(lease.attempt)
        assert close(delivery, lease.lease_token) == Outcome.DONE

    assert attempts == [1, 1, 1, 1, 2, 2]


def test_an_attempt_that_had_started_is_not_given_back(agent: Agent) -> None:
    delivery = make_delivery(agent)
    [lease] = ledger.claim([slot(agent)])
    ledger.acknowledge([hold(delivery, token=lease.lease_token)])
    close(delivery, lease.lease_token)

    assert ledger.claim([slot(agent)])[0].attempt == 2


def test_a_connection_that_is_closed_twice_gives_its_attempt_back_once(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30, attempt=2)
    assert delivery.lease_token

    outcomes = [close(delivery, delivery.lease_token) for _ in range(3)]

    assert outcomes == [Outcome.DONE, Outcome.LEASE_LOST, Outcome.LEASE_LOST]
    delivery.refresh_from_db()
    assert (delivery.attempt, delivery.returns) == (1, 1)


def test_an_attempt_made_after_the_last_is_not_uncounted_by_a_release(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30, attempt=1, max_attempts=1)
    ledger.wait([Wait(delivery.intent_id, WaitingReason.HUMAN)])
    ledger.wake([Wake(hold(delivery), is_owed=True)])

    assert ledger.release([Release(hold(delivery), "released")])[0].outcome == Outcome.DONE
    assert Intent.objects.get().attempt == 1


def test_a_connection_that_holds_nothing_has_nothing_to_close(agent: Agent) -> None:
    ready = make_delivery(agent)

    assert ledger.release([Release(hold(ready), "closed")])[0].outcome == Outcome.LEASE_LOST


def test_an_agent_may_want_a_delivery_later(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30)
    later = Release(hold(delivery, token=delivery.lease_token), "released", delay_seconds=60)

    assert ledger.release([later])[0].outcome == Outcome.DONE
    assert ledger.claim([slot(agent)]) == []
    Delivery.objects.update(due_at=Now())
    assert ledger.claim([slot(agent)])[0].attempt == 2


def test_an_intent_whose_attempts_ran_out_fails_with_the_reason(agent: Agent) -> None:
    spent = make_delivery(agent, lease_ends_in=-5, attempt=3)
    make_delivery(agent, lease_ends_in=5, attempt=3)
    make_delivery(agent, lease_ends_in=-5, attempt=2)

    assert ledger.exhaust() == 1

    *_, letter, failed = Event.objects.filter(intent=spent.intent).order_by("seq")
    assert (letter.type, letter.status) == (EventType.DELIVERY_FAILED, Status.FAILED)
    assert letter.details == {"delivery_attempt": "3"}
    assert failed.type == EventType.FAILED
    assert failed.details["error"]["code"] == "delivery_attempts_exhausted"
    assert not Delivery.objects.filter(pk=spent.pk).exists()
    assert ledger.exhaust() == 0


def test_a_new_process_takes_over_only_what_an_earlier_one_left_behind(agent: Agent) -> None:
    mine = uuid4()
    left = make_delivery(agent, lease_ends_in=60, is_detached=True, cursor=10)
    make_delivery(agent, lease_ends_in=60, is_detached=False, cursor=10)  # bound to a connection
    make_delivery(agent, lease_ends_in=60, is_detached=True, cursor=8)  # the client has seen it
    make_delivery(agent, lease_ends_in=60, is_detached=True, cursor=10, lease_session=mine)
    make_delivery(make_recipient(beside=agent), lease_ends_in=60, is_detached=True, cursor=10)

    assert ledger.take_over(agent.pk, 8, mine) == 1
    assert [lease.intent_id for lease in ledger.claim([slot(agent, 10)])] == [left.intent_id]


def test_the_sessions_of_a_dead_process_lose_what_was_bound_to_them(agent: Agent) -> None:
    dead = uuid4()
    bound = make_delivery(agent, lease_ends_in=60, lease_session=dead)
    make_delivery(agent, lease_ends_in=60, lease_session=dead, is_detached=True)
    make_delivery(agent, lease_ends_in=60)

    ledger.expire_sessions([dead])

    assert [lease.intent_id for lease in ledger.claim([slot(agent, 10)])] == [bound.intent_id]
