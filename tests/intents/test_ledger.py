"""The ledger's statements one by one: what each records, answers and announces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now

from agents.errors import Unavailable
from agents.models import Agent
from intents import ledger, operations, policing
from intents.errors import Outcome
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Release, Submission, Wait, Wake
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


def test_what_was_recorded_answers_as_the_first_time_also_after_its_deadline(agent: Agent) -> None:
    def asked(number: int, seconds: int, key: str | None = "order-1", body: bytes = b"same") -> Submission:
        return submission(
            agent, ttl_seconds=seconds, idempotency_key=key, request_hash=body, response={"id": number}
        )

    first = asked(0, 60)
    ledger.submit([first])

    answers = ledger.submit(
        [asked(1, 0), asked(2, 0, body=b"other"), asked(3, 0, key="order-2"), asked(4, 0, key=None)]
    )

    assert [answer.outcome for answer in answers] == [
        "repeated", "conflict", "deadline_passed", "deadline_passed",
    ]  # fmt: skip
    assert (answers[0].intent_id, answers[0].response) == (first.id, {"id": 0})
    assert Intent.objects.get().pk == first.id


def test_of_two_under_one_name_that_come_together_the_later_repeats_the_earlier(agent: Agent) -> None:
    late, good, later = (submission(agent, ttl_seconds=ttl, idempotency_key="order-1") for ttl in (0, 60, 0))

    answers = ledger.submit([late, good, later])

    assert [answer.outcome for answer in answers] == ["deadline_passed", "done", "repeated"]
    assert answers[2].intent_id == good.id


def test_a_name_that_is_forgotten_while_it_is_repeated_is_for_who_asked_alone_to_send_again(
    agent: Agent,
) -> None:
    repeated, other = (submission(agent, idempotency_key=key) for key in ("order-1", "order-2"))
    steps = operations.submit([repeated, other], Changes())
    next(steps)
    found = [{"intent_id": each.id, "created_at": None, "outcome": "done"} for each in (repeated, other)]
    steps.send([found[0] | {"outcome": "repeated"}, found[1]])

    with pytest.raises(StopIteration) as answered:
        steps.send([])

    [forgotten, done] = answered.value.value
    assert (forgotten.outcome, done.outcome) == ("forgotten", "done")
    assert isinstance(policing.refusal_of(forgotten, repeated), Unavailable)


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
