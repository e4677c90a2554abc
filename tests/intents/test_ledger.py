"""The ledger's statements one by one: what each records, answers, fences off and announces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now

from agents.models import Agent
from intents import ledger
from intents.errors import IntentNotFound, IntentTerminal, LeaseLost, NotYours, Outcome
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Delivery, Event, Intent
from intents.operations import Ending, Release, Wait, Wake
from intents.signals import Changes, changed
from tests.intents.factories import (
    history,
    hold,
    make_delivery,
    make_intent,
    make_intents,
    make_recipient,
    slot,
    submission,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


@pytest.fixture
def announced() -> Iterator[list[Changes]]:
    """What has been announced, as it comes."""
    heard: list[Changes] = []

    def listen(changes: Changes, **_: object) -> None:
        heard.append(changes)

    changed.connect(listen)
    yield heard
    changed.disconnect(listen)


def complete(delivery: Delivery, token: UUID | None) -> Outcome:
    [done] = ledger.finish([Ending(hold(delivery, token=token), EventType.COMPLETED)])
    return done.outcome


def close(delivery: Delivery, token: UUID) -> Outcome:
    [done] = ledger.release([Release(hold(delivery, token=token), "closed")])
    return done.outcome


# -- submit -----------------------------------------------------------------------------------------------


def test_a_submission_leaves_an_intent_two_events_and_a_delivery(agent: Agent) -> None:
    intent = make_intent(agent, payload='{"rows": 500000}')

    assert (intent.status, intent.seq, intent.payload) == (Status.SUBMITTED, 2, {"rows": 500000})
    assert history(intent.pk) == ["intent.created", "intent.submitted"]
    assert intent.delivery.attempt == 0


def test_a_repeated_name_answers_as_the_first_time_and_another_body_under_it_is_a_conflict(
    agent: Agent,
) -> None:
    first, again, other = (
        submission(agent, idempotency_key="order-1", request_hash=body, response={"id": number})
        for number, body in enumerate([b"one", b"one", b"other"])
    )

    answers = [*ledger.submit([first]), *ledger.submit([again, other])]

    assert [answer.outcome for answer in answers] == ["done", "repeated", "conflict"]
    assert (answers[1].intent_id, answers[1].response) == (first.id, {"id": 0})
    assert Intent.objects.count() == Delivery.objects.count() == 1


def test_two_senders_may_use_the_same_name(agent: Agent) -> None:
    other = make_recipient(beside=agent)

    answers = ledger.submit([submission(each, idempotency_key="order-1") for each in (agent, other)])

    assert [answer.outcome for answer in answers] == ["done", "done"]


def test_a_deadline_that_has_passed_records_nothing(agent: Agent) -> None:
    [answer] = ledger.submit([submission(agent, ttl_seconds=0, idempotency_key="late")])

    assert answer.outcome == "deadline_passed"
    assert not Intent.objects.exists()
    assert ledger.submit([submission(agent, idempotency_key="late")])[0].outcome == "done"


# -- claim ------------------------------------------------------------------------------------------------


def test_a_claim_takes_what_is_due_or_lost_and_leaves_the_rest(agent: Agent) -> None:
    due = make_delivery(agent)
    lost = make_delivery(agent, lease_ends_in=-5)
    make_delivery(agent, lease_ends_in=5)
    make_delivery(agent, due_in=60)
    make_delivery(agent, lease_ends_in=-5, attempt=5, max_attempts=5)
    make_delivery(make_recipient(beside=agent))

    claimed = {lease.intent_id: lease.attempt for lease in ledger.claim([slot(agent, 10)])}

    assert claimed == {due.intent_id: 1, lost.intent_id: 2}


def test_a_claim_hands_over_the_oldest_first(agent: Agent) -> None:
    waiting = [make_delivery(agent, due_in=-seconds).intent_id for seconds in (5, 50, 1, 20, 500, 2)]
    oldest_first = [waiting[place] for place in (4, 1, 3, 0, 5, 2)]

    assert [lease.intent_id for lease in ledger.claim([slot(agent, 4)])] == oldest_first[:4]
    assert [lease.intent_id for lease in ledger.claim([slot(agent, 4)])] == oldest_first[4:]


def test_a_large_claim_hands_over_the_oldest_first_too(agent: Agent) -> None:
    ids = make_intents(agent, 300)
    for place, intent_id in enumerate(reversed(ids)):
        Delivery.objects.filter(intent_id=intent_id).update(due_at=Now() - timedelta(seconds=1000 - place))

    leases = ledger.claim([slot(agent, 150), slot(agent, first=151, last=400)])

    assert [lease.intent_id for lease in leases] == ids[::-1]


def test_connections_of_one_agent_share_what_is_due(agent: Agent) -> None:
    make_intents(agent, 5)
    one, two = slot(agent, 2), slot(agent, first=3, last=10)

    sessions = [lease.lease_session for lease in ledger.claim([one, two])]

    assert sessions == [one.session] * 2 + [two.session] * 3


def test_cursors_rise_by_two_at_least(agent: Agent) -> None:
    cursors = []
    for _ in range(3):
        make_intents(agent, 3)
        cursors += [lease.cursor for lease in ledger.claim([slot(agent, 10)])]

    assert all(later >= earlier + 2 for earlier, later in pairwise(cursors))


def test_a_redelivery_gets_a_higher_cursor_and_says_that_it_is_one(agent: Agent) -> None:
    delivery = make_delivery(agent)
    [first] = ledger.claim([slot(agent)])
    Delivery.objects.update(lease_expires_at=Now())
    [second] = ledger.claim([slot(agent)])

    assert second.cursor > first.cursor
    assert (second.attempt, second.status) == (2, Status.IN_PROGRESS)
    event = Event.objects.get(intent=delivery.intent, seq=second.seq)
    assert event.details == {"delivery_attempt": 2, "redelivery": True}


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


# -- waiting ----------------------------------------------------------------------------------------------


def test_what_waits_is_owed_to_nobody_until_it_wakes(agent: Agent) -> None:
    intent = make_intent(agent)

    [waiting] = ledger.wait([Wait(intent.pk, WaitingReason.HUMAN)])
    assert waiting.outcome == Outcome.DONE
    assert ledger.claim([slot(agent)]) == []

    assert ledger.wake([Wake(hold(intent), is_owed=True)])[0].outcome == Outcome.DONE
    assert [lease.intent_id for lease in ledger.claim([slot(agent)])] == [intent.pk]


def test_what_wakes_after_its_last_attempt_gets_another(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30, attempt=3)
    ledger.wait([Wait(delivery.intent_id, WaitingReason.HUMAN)])
    ledger.wake([Wake(hold(delivery), is_owed=True)])

    assert ledger.claim([slot(agent)])[0].attempt == 3


# -- transactions and announcements -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_submission_is_undone_and_unheard_with_the_callers_transaction(announced: list[Changes]) -> None:
    agent = make_recipient()
    with transaction.atomic():
        make_intent(agent)
        transaction.set_rollback(True)

    assert not Intent.objects.exists()
    assert announced == []


@pytest.mark.django_db(transaction=True)
def test_an_announcement_comes_after_the_commit(announced: list[Changes]) -> None:
    agent = make_recipient()
    with transaction.atomic():
        intent = make_intent(agent)
        assert announced == []

    assert announced == [Changes(agents={agent.pk}, intents={intent.pk})]


@pytest.mark.django_db(transaction=True)
def test_only_what_changed_is_announced(announced: list[Changes]) -> None:
    agent, stranger = make_recipient(), make_recipient()
    delivery, foreign = make_delivery(agent), make_delivery(stranger)
    outside = hold(foreign)
    outside.organization_id = agent.organization_id
    announced.clear()

    ledger.wake([Wake(outside, is_owed=True), Wake(hold(delivery))])
    ledger.wait([Wait(uuid4(), WaitingReason.TIME), Wait(delivery.intent_id, WaitingReason.TIME)])
    ledger.finish([Ending(outside, EventType.CANCELED), Ending(hold(delivery), EventType.CANCELED)])
    ledger.finish([Ending(hold(delivery), EventType.CANCELED)])

    one = {delivery.intent_id}
    assert announced == [Changes(intents=one), Changes(intents=one), Changes(intents=one, ended=one)]


@pytest.mark.django_db(transaction=True)
def test_a_release_rings_for_the_agent_whoever_asked_for_it(announced: list[Changes]) -> None:
    agent = make_recipient()
    delivery = make_delivery(agent, lease_ends_in=60)
    announced.clear()

    ledger.release([Release(hold(delivery), "released")])

    assert announced == [Changes(agents={agent.pk}, intents={delivery.intent_id})]
