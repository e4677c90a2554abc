"""Saving a step looks it up by its key, also by a plan that was made while there were few checkpoints."""

from __future__ import annotations

import orjson
import pytest
from django.db import connection

from agents import postgres
from agents.models import Agent
from intents import ledger, operations
from intents.records import Save
from tests.intents.factories import hold, make_delivery, make_recipient
from tests.intents.test_claim_plan import nodes, plan_as

pytestmark = pytest.mark.django_db

FEW = 300


@pytest.fixture
def agent() -> Agent:
    """Has saved a few steps, as many as are read faster in one go than one by one."""
    agent = make_recipient()
    delivery = make_delivery(agent, lease_ends_in=5)
    steps = [Save(hold(delivery), f"step {number}", "application/json", b"{}") for number in range(FEW)]
    ledger.checkpoint(steps)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE intents_checkpoint")
    return agent


@pytest.mark.usefixtures("agent")
def test_a_plan_made_while_there_are_few_checkpoints_does_not_read_them_all() -> None:
    plan_as(postgres.PLANNER)
    statement, _ = operations.numbered("checkpoint")

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement.decode()}")
        [[answer]] = cursor.fetchall()
    [root] = orjson.loads(answer) if isinstance(answer, str) else answer

    read = [
        node
        for node in nodes(root["Plan"])
        if "Index Name" in node and "intents_checkpoint" in node["Index Name"]
    ]
    assert [node["Node Type"] for node in read] == ["Index Only Scan"]
    assert "intent_id" in read[0]["Index Cond"]
    assert "step" in read[0]["Index Cond"]
