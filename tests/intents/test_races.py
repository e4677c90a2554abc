"""Many at the same moment: whoever wins, there is one outcome, and every history stays whole."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from agents import postgres
from agents.models import Agent
from intents import coalescer, ledger
from intents.errors import Outcome
from intents.lifecycle import TERMINAL_EVENTS, EventType, WaitingReason
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Lease, Release, Submission, Wait, Wake
from tests.intents.factories import (
    hold,
    make_delivery,
    make_intent,
    make_intents,
    make_recipient,
    slot,
    submission,
)
from tests.intents.racing import assert_all_is_consistent, at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_recipient()


def test_two_claimers_never_share_a_delivery(agent: Agent) -> None:
    ids = make_intents(agent, 200)

    def claim_until_nothing_is_due() -> list[Lease]:
        mine: list[Lease] = []
        while leases := ledger.claim([slot(agent, 7)]):
            mine += leases
        return mine

    leases = [lease for claimed in at_once([claim_until_nothing_is_due] * 8) for lease in claimed]

    assert sorted(lease.intent_id for lease in leases) == sorted(ids)
    assert {lease.attempt for lease in leases} == {1}
    assert len({lease.cursor for lease in leases}) == len({lease.lease_token for lease in leases}) == 200
    assert_all_is_consistent()


@pytest.mark.parametrize("is_leased", [True, False])
def test_of_all_who_end_an_intent_at_the_same_moment_one_does(agent: Agent, is_leased: bool) -> None:
    for _ in range(8):
        delivery = make_delivery(agent, lease_ends_in=30 if is_leased else None)
        token = delivery.lease_token

        def end(event: EventType, token: UUID | None, delivery: Delivery = delivery) -> Outcome:
            [done] = ledger.finish([Ending(hold(delivery, token=token), event, via_progress=True)])
            return done.outcome

        outcomes = at_once(
            [
                *[partial(end, EventType.COMPLETED, token)] * 4,
                *[partial(end, EventType.CANCELED, None)] * 4,
                *[partial(end, EventType.TIMED_OUT, None)] * 4,
            ]
        )

        assert Counter(outcomes) == {Outcome.DONE: 1, Outcome.ALREADY_ENDED: 11}
        assert Event.objects.filter(intent=delivery.intent, type__in=list(TERMINAL_EVENTS)).count() == 1
    assert_all_is_consistent()


def test_a_last_attempt_that_ends_while_it_is_exhausted_ends_once(agent: Agent) -> None:
    for _ in range(10):
        delivery = make_delivery(agent, lease_ends_in=-1, attempt=3)
        finish = partial(
            ledger.finish, [Ending(hold(delivery, token=delivery.lease_token), EventType.COMPLETED)]
        )

        answers: list[Any] = at_once([finish, ledger.exhaust, ledger.exhaust])

        assert (answers[0][0].outcome == Outcome.DONE) + sum(answers[1:]) == 1
    assert_all_is_consistent()


def test_one_name_used_fifty_times_at_once_makes_one_intent(agent: Agent) -> None:
    asked = [
        submission(agent, idempotency_key="order-1", request_hash=b"same", response={"place": place})
        for place in range(50)
    ]

    def submit(mine: list[Submission]) -> list[tuple[str, UUID]]:
        return [(answer.outcome, answer.intent_id) for answer in ledger.submit(mine)]

    answers = [
        answer for each in at_once([partial(submit, asked[n::10]) for n in range(10)]) for answer in each
    ]

    assert Counter(outcome for outcome, _ in answers) == {"done": 1, "repeated": 49}
    assert len({intent_id for _, intent_id in answers}) == 1
    assert Intent.objects.count() == Delivery.objects.count() == 1
    [other] = ledger.submit([submission(agent, idempotency_key="order-1", request_hash=b"other")])
    assert other.outcome == "conflict"


def test_one_name_used_fifty_times_at_once_by_coroutines_makes_one_intent(agent: Agent) -> None:
    async def submit() -> list[str]:
        asked = [submission(agent, idempotency_key="order-1", request_hash=b"same") for _ in range(50)]
        try:
            answers = await asyncio.gather(*(coalescer.submit([each]) for each in asked))
        finally:
            await postgres.close()
        return [answer.outcome for [answer] in answers]

    assert Counter(asyncio.run(submit())) == {"done": 1, "repeated": 49}


def test_names_used_crosswise_by_batches_neither_block_nor_double(agent: Agent) -> None:
    names = [f"order-{number}" for number in range(30)]

    def submit(mine: list[str]) -> list[str]:
        return [
            each.outcome for each in ledger.submit([submission(agent, idempotency_key=name) for name in mine])
        ]

    answers = at_once([partial(submit, random.Random(seed).sample(names, 30)) for seed in range(8)])

    assert Counter(outcome for each in answers for outcome in each) == {"done": 30, "repeated": 7 * 30}


def test_two_who_wake_an_intent_at_once_owe_it_once(agent: Agent) -> None:
    for _ in range(10):
        intent = make_intent(agent)
        ledger.wait([Wait(intent.pk, WaitingReason.HUMAN)])

        answers = at_once([partial(ledger.wake, [Wake(hold(intent), is_owed=True)])] * 6)

        assert {done.outcome for [done] in answers} == {Outcome.DONE}
    assert Delivery.objects.count() == 10
    assert_all_is_consistent()


@pytest.mark.parametrize("rival", ["finish", "wait"])
def test_what_wakes_while_it_ends_or_waits_leaves_no_orphan(agent: Agent, rival: str) -> None:
    for _ in range(15):
        intent = make_intent(agent)
        ledger.wait([Wait(intent.pk, WaitingReason.TOOL)])
        wake: Callable[[], Any] = partial(ledger.wake, [Wake(hold(intent), is_owed=True)])
        other: Callable[[], Any] = {
            "finish": partial(ledger.finish, [Ending(hold(intent), EventType.COMPLETED)]),
            "wait": partial(ledger.wait, [Wait(intent.pk, WaitingReason.HUMAN)]),
        }[rival]

        claim: Callable[[], Any] = partial(ledger.claim, [slot(agent, 5)])
        at_once([wake, other, wake, other, claim])

    assert_all_is_consistent()


def test_a_storm_of_everything_leaves_whole_histories_and_lets_no_deadlock_out(agent: Agent) -> None:
    sibling = make_recipient(beside=agent)
    ids = [*make_intents(agent, 30), *make_intents(sibling, 30)]

    def storm(seed: int) -> None:
        dice = random.Random(seed)
        session = slot(agent).session
        held: list[Lease] = []
        for _ in range(40):
            picked = [Intent(pk=each, organization_id=agent.organization_id) for each in dice.sample(ids, 8)]
            mine = dice.sample(held, min(len(held), 5))
            match dice.randrange(9):
                case 0 | 1 | 2:
                    some = [
                        slot(sibling, 4, session=session, is_detached=True),
                        slot(agent, 4, session=session),
                    ]
                    held += ledger.claim(dice.sample(some, 2))
                case 3:
                    ledger.release(
                        [Release(hold_of(lease), dice.choice(["closed", "released"])) for lease in mine]
                    )
                case 4:
                    ledger.acknowledge([hold_of(lease) for lease in mine])
                    ledger.extend([hold_of(lease) for lease in mine])
                case 5:
                    ledger.finish([Ending(hold_of(lease), EventType.COMPLETED) for lease in mine[:1]])
                    ledger.finish([Ending(hold(each), EventType.CANCELED) for each in picked[:1]])
                case 6:
                    ledger.wait([Wait(each.pk, WaitingReason.AGENT) for each in picked[:3]])
                case 7:
                    ledger.wake([Wake(hold(each), is_owed=True) for each in picked])
                case _:
                    ledger.expire_sessions([session])
                    ledger.take_over(sibling.pk, 0, session)
                    ledger.exhaust()

    def hold_of(lease: Lease) -> Any:
        return hold(
            Intent(pk=lease.intent_id, organization_id=lease.organization_id), token=lease.lease_token
        )

    at_once([partial(storm, seed) for seed in range(8)])

    assert_all_is_consistent()
