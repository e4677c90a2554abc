"""New intents that a connection waits for: recorded and leased by one statement, as by two."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from agents import postgres
from agents.models import Agent
from intents import coalescer, ledger, operations
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Hold, Lease, Release, Slot, Submission, Submitted
from tests.intents.factories import make_recipient, slot, submission

#: What no two of them share.
OWN = {"id", "intent_id", "lease_token", "cursor", "correlation_id", "created_at", "updated_at", "at"}
OWN |= {"due_at", "deadline_at", "lease_expires_at", "claimable_at", "lease_session"}


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_recipient()


@pytest.fixture(autouse=True)
async def _closed(transactional_db: None) -> AsyncIterator[None]:
    yield
    await postgres.close()


async def submit(asked: Sequence[Submission], slots: Sequence[Slot | None]) -> list[Submitted]:
    return await coalescer.run(partial(operations.submit, asked, slots=slots))


async def stored(intent_id: UUID) -> dict[str, Any]:
    """All that is recorded of an intent, but what is its own."""

    def look() -> dict[str, Any]:
        tables: dict[str, Any] = {"intent": Intent.objects.filter(pk=intent_id)}
        tables["delivery"] = Delivery.objects.filter(intent=intent_id)
        tables["events"] = Event.objects.filter(intent=intent_id).order_by("seq")
        return {
            name: [{key: value for key, value in row.items() if key not in OWN} for row in rows.values()]
            for name, rows in tables.items()
        }

    return await postgres.in_thread(look)


def told(lease: Lease) -> dict[str, Any]:
    return {
        name: getattr(lease, name)
        for name in Lease.__dataclass_fields__  # it has slots, and so no dict
        if name not in OWN
    }


async def test_it_is_recorded_and_told_as_if_it_had_been_claimed(agent: Agent) -> None:
    fields: dict[str, Any] = {"payload": '{"rows": 5}', "attributes": '{"traceparent": "00-1-2-03"}'}
    [there] = await submit([submission(agent, ttl_seconds=600, **fields)], [slot(agent)])
    await postgres.in_thread(ledger.submit, [submission(agent, ttl_seconds=600, **fields)])
    [claimed] = await coalescer.claim([slot(agent)])

    assert there.lease is not None
    assert await stored(there.intent_id) == await stored(claimed.intent_id)
    assert told(there.lease) == told(claimed)
    assert there.lease.cursor < claimed.cursor


async def test_its_lease_is_a_lease(agent: Agent) -> None:
    [submitted] = await submit([submission(agent)], [slot(agent)])
    lease = submitted.lease
    assert lease is not None

    assert await coalescer.claim([slot(agent)]) == []
    hold = Hold(lease.intent_id, lease.organization_id, agent_id=agent.pk, token=lease.lease_token)
    [done] = await coalescer.finish([Ending(hold, EventType.COMPLETED)])
    assert (done.outcome, done.row["seq"]) == ("done", 4)


async def test_when_it_runs_out_the_intent_is_claimed_again(agent: Agent) -> None:
    [submitted] = await submit([submission(agent)], [slot(agent)])

    def run_out() -> None:
        Delivery.objects.update(lease_expires_at=Now() - timedelta(seconds=1))

    await postgres.in_thread(run_out)
    [lease] = await coalescer.claim([slot(agent)])
    assert (lease.intent_id, lease.attempt) == (submitted.intent_id, 2)


async def test_each_goes_to_the_connection_named_for_it_and_the_others_wait(agent: Agent) -> None:
    first, second = slot(agent), slot(agent, is_detached=True, seconds=5)

    answers = await submit([submission(agent) for _ in range(3)], [second, None, first])

    leases = [answer.lease for answer in answers]
    assert [lease and lease.lease_session for lease in leases] == [second.session, None, first.session]
    [waiting] = await coalescer.claim([slot(agent, 5)])
    assert waiting.intent_id == answers[1].intent_id

    def look() -> list[tuple[int | None, bool]]:
        return [
            Delivery.objects.values_list("lease_seconds", "is_detached").get(intent=each.intent_id)
            for each in (answers[0], answers[2])
        ]

    assert await postgres.in_thread(look) == [(5, True), (30, False)]


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"delay_seconds": 60.0}, "done"),
        ({"is_owed": False}, "done"),
        ({"ttl_seconds": 0}, "deadline_passed"),
        ({"idempotency_key": "again"}, "repeated"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_is_not_owed_now_is_not_leased(agent: Agent, fields: dict[str, Any], outcome: str) -> None:
    if "idempotency_key" in fields:
        await submit([submission(agent, **fields)], [None])

    [answer] = await submit([submission(agent, **fields)], [slot(agent)])

    assert (answer.outcome, answer.lease) == (outcome, None)

    def leased() -> int:
        return Delivery.objects.exclude(lease_token=None).count()

    assert await postgres.in_thread(leased) == 0


@pytest.mark.parametrize("is_step", [True, False])
async def test_a_killed_agent_is_leased_nothing(agent: Agent, is_step: bool) -> None:
    sender = await postgres.in_thread(make_recipient, beside=agent)

    def kill() -> None:
        Agent.objects.filter(pk=agent.pk).update(killed_at=Now(), killed_by="human:ada")

    await postgres.in_thread(kill)
    parent = submission(sender).id if is_step else None
    asked = submission(agent, sender_id=sender.pk, parent_id=parent)

    [answer] = await submit([asked], [slot(agent)])

    # A step of a scenario is recorded and waits; anything else is refused.
    assert (answer.outcome, answer.lease) == ("done" if is_step else "recipient_killed", None)


async def test_only_leases_that_nobody_was_told_of_are_given_back(agent: Agent) -> None:
    untold, renewed, taken, done, unleased = (submission(agent) for _ in range(5))
    asked = [untold, renewed, taken, done]
    leases = [answer.lease for answer in await submit(asked, [slot(agent)] * 4)]
    holds = [
        Hold(each.id, agent.organization_id, agent.pk, lease.lease_token)
        for each, lease in zip(asked, leases, strict=True)
        if lease
    ]
    await coalescer.extend([holds[1]])
    await coalescer.release([Release(holds[2])])
    [other] = await coalescer.claim([slot(agent, 1)])
    await coalescer.finish([Ending(holds[3], EventType.COMPLETED)])
    await submit([unleased], [None])

    await coalescer.release_untold([*asked, unleased])

    assert other.intent_id == taken.id
    answers = await coalescer.extend(
        [holds[0], holds[1], Hold(taken.id, agent.organization_id, token=other.lease_token)]
    )
    assert [answer.outcome for answer in answers] == [Outcome.LEASE_LOST, Outcome.DONE, Outcome.DONE]
    assert {lease.intent_id: lease.attempt for lease in await coalescer.claim([slot(agent, 9)])} == {
        untold.id: 1,
        unleased.id: 1,
    }
