"""Why an intent is not running: every reason, and that none of them can disagree with the claim."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from agents import postgres
from agents.models import Agent, AgentStatus, Connection, WebProcess
from intents import blocking, ledger
from intents.blocking import Obstacle
from intents.models import Delivery, Intent
from intents.records import Slot, Wait
from tests.intents.factories import make_delivery, make_intent, make_recipient, slot

pytestmark = pytest.mark.django_db


def connect(
    agent: Agent, *, room: int = 1, session: UUID | None = None, client: str = "python/1"
) -> Connection:
    process = WebProcess.objects.create(id=uuid4(), host="here", pid=1)
    return Connection.objects.create(
        id=uuid4(),
        session=session or uuid4(),
        process=process,
        agent=agent,
        key_id="k",
        transport="sse",
        client=client,
        room=room,
    )


def why(intent: Intent | UUID) -> tuple[Obstacle, str]:
    found = blocking.explain_now(intent.pk if isinstance(intent, Intent) else intent)
    assert found is not None
    assert found.unblocks_when
    return found.code, found.reason


def test_an_agent_that_never_came() -> None:
    agent = make_recipient()

    assert why(make_intent(agent)) == (
        Obstacle.NEVER_CONNECTED,
        f"No agent has ever connected to {agent.address}.",
    )


def test_an_agent_that_has_left() -> None:
    agent = make_recipient(last_seen_at="2026-01-31T14:02:11Z")

    code, reason = why(make_intent(agent))

    assert code == Obstacle.NOT_CONNECTED
    assert reason == f"{agent.address} is not connected; last seen 2026-01-31T14:02:11Z."


def test_an_agent_that_is_suspended() -> None:
    agent = make_recipient(status=AgentStatus.SUSPENDED)

    assert why(make_intent(agent)) == (Obstacle.SUSPENDED, f"{agent.address} is suspended.")


def test_an_agent_at_its_limit_and_who_holds_what_it_has() -> None:
    agent = make_recipient()
    connection = connect(agent, room=1)
    make_intent(agent)
    [lease] = ledger.claim([slot(agent, session=connection.session)])
    second = make_intent(agent)

    assert why(second) == (Obstacle.AT_LIMIT, f"{agent.address} is at its limit of 1.")
    code, reason = why(lease.intent_id)
    assert code == Obstacle.HELD
    assert reason.startswith("Attempt 1 is held by python/1 since ")


def test_an_agent_with_room_is_about_to_get_it() -> None:
    agent = make_recipient()
    connect(agent, room=2)

    assert why(make_intent(agent))[0] == Obstacle.DUE_NOW


def test_a_redelivery_has_its_time() -> None:
    found = blocking.explain_now(make_delivery(make_recipient(), due_in=60, attempt=1).intent_id)

    assert found is not None
    assert found.code == Obstacle.SCHEDULED
    assert found.reason.startswith("Redelivery at ")
    assert found.unblocks_at is not None
    assert "unblocks_at" in found.body()


def test_attempts_that_are_used_up() -> None:
    spent = make_delivery(make_recipient(), lease_ends_in=-1, attempt=3, max_attempts=3)

    assert why(spent.intent_id)[0] == Obstacle.EXHAUSTED


@pytest.mark.parametrize("reason", ["HUMAN", "TOOL", "AGENT", "TIME"])
def test_what_waits_says_for_what(reason: str) -> None:
    intent = make_intent(make_recipient())
    ledger.wait([Wait(intent.pk, f"WAITING_FOR_{reason}")])

    assert why(intent)[0] == Obstacle.WAITING


def test_what_is_owed_to_nobody() -> None:
    assert why(make_intent(make_recipient(), is_owed=False))[0] == Obstacle.NOT_OWED


def test_what_has_ended_is_not_blocked() -> None:
    intent = make_intent(make_recipient())
    intent.cancel(actor="test")

    assert blocking.explain_now(intent.pk) is None
    assert blocking.explain_now(uuid4()) is None


SECONDS = (-3600, -1, 60, 3600)


def some_state(chance: random.Random, agent: Agent) -> Intent:
    """An open intent in whatever state an intent can be."""
    match chance.randrange(6):
        case 0:
            intent = make_intent(agent)
            ledger.wait([Wait(intent.pk, "WAITING_FOR_TIME")])
            return intent
        case 1:
            return make_intent(agent, is_owed=False)
        case _:
            maximum = chance.randint(1, 3)
            leased: dict[str, Any] = {}
            if chance.random() < 0.6:
                leased = {"lease_ends_in": chance.choice(SECONDS), "is_detached": chance.random() < 0.5}
            attempt = chance.randint(1 if leased else 0, maximum)
            return make_delivery(
                agent, due_in=chance.choice(SECONDS), attempt=attempt, max_attempts=maximum, **leased
            ).intent


AGENTS: list[Callable[[], Agent]] = [
    make_recipient,
    lambda: make_recipient(last_seen_at=Now()),
    lambda: make_recipient(status=AgentStatus.SUSPENDED),
    lambda: connect(make_recipient(), room=1).agent,
    lambda: connect(make_recipient(), room=1000).agent,
]


@pytest.mark.parametrize("seed", range(12))
def test_a_claim_takes_exactly_what_is_explained_as_claimable(seed: int) -> None:
    chance = random.Random(seed)
    agent = chance.choice(AGENTS)()
    intents = [some_state(chance, agent) for _ in range(25)]

    explained = {intent.pk: blocking.explain_now(intent.pk) for intent in intents}
    claimed = {lease.intent_id for lease in ledger.claim([Slot(agent.pk, 1, 100, uuid4(), 30)])}

    assert all(explained.values())
    assert claimed == {pk for pk, found in explained.items() if found is not None and found.is_claimable}
    assert all(why(pk)[0] == Obstacle.HELD for pk in claimed)


def test_an_operators_release_is_explained_too() -> None:
    agent = make_recipient()
    intent = make_intent(agent)
    ledger.claim([slot(agent)])

    intent.redeliver(actor="operator")

    assert why(intent)[0] == Obstacle.NEVER_CONNECTED
    assert Delivery.objects.get(intent=intent).lease_token is None


@pytest.mark.django_db(transaction=True)
async def test_the_asynchronous_explanation_is_the_same() -> None:
    agent = await postgres.in_thread(make_recipient)
    intent = await postgres.in_thread(make_intent, agent)
    try:
        assert await blocking.explain(intent.pk) == await postgres.in_thread(blocking.explain_now, intent.pk)
    finally:
        await postgres.close()
