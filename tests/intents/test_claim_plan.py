"""What the hot statements read grows with what they do, not with what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from agents import postgres
from agents.models import Agent
from intents import arrays, operations
from tests.intents.factories import make_delivery, make_intents, make_recipient

pytestmark = pytest.mark.django_db

#: 200,000 owed to twenty other agents, a third of them leased, a third not due; and 50,000 to this one, behind its own.
CROWD = """
INSERT INTO intents_delivery (
    intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor, lease_token, lease_expires_at
)
SELECT
    gen_random_uuid(),
    CASE WHEN n <= 200000 THEN 1000000 + n %% 20 ELSE %(agent)s END,
    now() + CASE WHEN n %% 3 = 0 THEN interval '1 hour' ELSE n * interval '-1 ms' END,
    CASE WHEN n %% 3 = 1 THEN 3 ELSE 0 END, 3, 0, false, n,
    CASE WHEN n %% 3 = 1 THEN gen_random_uuid() END,
    CASE WHEN n %% 3 = 1 THEN now() + interval '1 hour' END
FROM generate_series(1, 250000) AS n
"""
#: What else is owed to this agent: all of it due, none of it leased.
BACKLOG = """
INSERT INTO intents_delivery (
    intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor
)
SELECT gen_random_uuid(), %(agent)s, now() - n * interval '1 ms', 0, 3, 0, false, 0
FROM generate_series(1, 20000) AS n
"""
#: Pages that each of the claimed may cost: its entries in the queue, the intent, the history and their indexes.
PAGES_EACH = 45
#: Pages that it may take to find them: descents of an index.
PAGES_TO_FIND = 50


@pytest.fixture(scope="module")
def agent(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Agent]:
    """Has so much to do that reading all of it would show. Made once for the module, and undone behind it."""
    with django_db_blocker.unblock(), transaction.atomic():
        agent = make_recipient()
        make_intents(agent, 100)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE intents_delivery SET due_at = now() - interval '1 day'")
            cursor.execute(CROWD, {"agent": agent.pk})
            cursor.execute("ANALYZE intents_delivery, intents_intent, intents_event")
        yield agent
        transaction.set_rollback(True)
    connection.close()


def plan_as(planner: str) -> None:
    """Plan as the connections of the pool do, or as the server does by itself."""
    with connection.cursor() as cursor:
        for setting in planner.removeprefix("-c ").split(" -c ") if planner else []:
            cursor.execute(f"SET LOCAL {setting}")


def explained(name: str, **parameters: Any) -> dict[str, Any]:
    """The plan that the statement ran by, with what each node of it read."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {operations.text(name)}", arrays.parameters(parameters)
        )
        [[answer]] = cursor.fetchall()
    [root] = orjson.loads(answer) if isinstance(answer, str) else answer
    plan: dict[str, Any] = root["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def claim(agent: Agent, room: int) -> dict[str, Any]:
    return explained("claim", **slot(agent, room))


def slot(agent: Agent, room: int) -> dict[str, Any]:
    """A connection of the agent that takes so many, as the statement takes it."""
    slot = {
        "agents": agent.pk,
        "firsts": 1,
        "lasts": room,
        "sessions": uuid4(),
        "seconds": 30,
        "detached": False,
    }
    return {name: [value] for name, value in slot.items()}


@pytest.mark.parametrize("planner", ["", postgres.PLANNER], ids=["by itself", "of the pool"])
def test_a_claim_reads_what_it_leases(agent: Agent, planner: str) -> None:
    plan_as(planner)
    room = 20

    plan = claim(agent, room)

    assert plan["Actual Rows"] == room
    queue = [node for node in nodes(plan) if node.get("Index Name") == "delivery_claim"]
    assert queue
    assert not [
        node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and pages(node) > PAGES_TO_FIND
    ]
    assert sum(pages(node) for node in queue) <= PAGES_TO_FIND + room
    assert pages(plan) <= PAGES_TO_FIND + PAGES_EACH * room


@pytest.mark.parametrize("planner", ["", postgres.PLANNER], ids=["by itself", "of the pool"])
def test_a_claim_of_everything_due_is_handed_over_oldest_first(agent: Agent, planner: str) -> None:
    plan_as(planner)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT intent_id FROM intents_delivery WHERE agent_id = %s ORDER BY claimable_at, id LIMIT 100",
            [agent.pk],
        )
        oldest = [intent_id for [intent_id] in cursor.fetchall()]
        cursor.execute(operations.text("claim"), arrays.parameters(slot(agent, 100)))
        assert [row[0] for row in cursor.fetchall()] == oldest


def test_a_look_for_what_is_due_reads_next_to_nothing(agent: Agent) -> None:
    plan_as(postgres.PLANNER)

    plan = explained("look", agents=[agent.pk], keys=[], process=uuid4())

    assert pages(plan) <= PAGES_TO_FIND


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("planner", ["", postgres.PLANNER], ids=["by itself", "of the pool"])
def test_taking_over_reads_what_is_leased_and_not_what_waits(planner: str) -> None:
    returned = make_recipient()
    make_delivery(returned, lease_ends_in=60, is_detached=True, cursor=10)
    with connection.cursor() as cursor:
        cursor.execute(BACKLOG, {"agent": returned.pk})
        cursor.execute("ANALYZE intents_delivery")
    plan_as(planner)

    plan = explained("take_over", agent_id=returned.pk, since=0, session=uuid4())

    assert plan["Actual Rows"] == 1
    assert pages(plan) <= PAGES_TO_FIND


def test_dead_letters_are_found_among_those_at_their_last_attempt(agent: Agent) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intents_delivery SET attempt = max_attempts, lease_token = gen_random_uuid(),"
            " lease_expires_at = now() - interval '1 s' WHERE id IN (SELECT min(id) FROM intents_delivery)"
        )
    plan_as(postgres.PLANNER)

    plan = explained("exhaust", limit=500)

    assert plan["Actual Rows"] == 1
    [found] = [node for node in nodes(plan) if node.get("Index Name") == "delivery_last_attempt"]
    assert pages(found) <= PAGES_TO_FIND
    assert not [
        node
        for node in nodes(plan)
        if node.get("Relation Name") == "intents_delivery" and pages(node) > PAGES_TO_FIND
    ]
