"""What is counted is what was committed."""

from __future__ import annotations

import pytest
from django.db import transaction
from prometheus_client import REGISTRY

from agents.models import Agent
from intents import ledger
from intents.lifecycle import EventType
from intents.records import Ending, Hold
from tests.intents.factories import make_delivery, make_recipient, slot, submission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def counted(kind: EventType) -> float:
    return REGISTRY.get_sample_value("perdure_events_total", {"type": kind}) or 0.0


def dead_letters() -> float:
    return REGISTRY.get_sample_value("perdure_dead_letters_total") or 0.0


def test_submissions_deliveries_and_ends_are_counted_by_type(agent: Agent) -> None:
    before = {kind: counted(kind) for kind in EventType}

    ledger.submit([submission(agent), submission(agent)])
    first, _ = ledger.claim([slot(agent, room=2)])
    by_operator = Hold(first.intent_id, agent.organization_id)
    ledger.finish([Ending(by_operator, EventType.COMPLETED), Ending(by_operator, EventType.FAILED)])

    grown = {kind: counted(kind) - before[kind] for kind in EventType if counted(kind) > before[kind]}
    assert grown == {EventType.SUBMITTED: 2, EventType.DELIVERED: 2, EventType.COMPLETED: 1}


def test_a_dead_letter_is_counted(agent: Agent) -> None:
    make_delivery(agent, lease_ends_in=-5, attempt=3, max_attempts=3)
    before = dead_letters()

    ledger.exhaust()

    assert dead_letters() == before + 1


def test_what_is_rolled_back_is_not_counted(agent: Agent) -> None:
    before = counted(EventType.SUBMITTED)

    with transaction.atomic():
        ledger.submit([submission(agent)])
        transaction.set_rollback(True)

    assert counted(EventType.SUBMITTED) == before
