"""Each rule that the database keeps, broken on purpose: the database refuses, whatever the code above it believes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.db.models.functions import Now

from agents.models import Agent
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, IdempotencyRecord, Intent, SweepRun, Timer
from intents.models.timer import TimerKind
from tests.intents.factories import make_delivery, make_recipient

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery() -> Delivery:
    return make_delivery(make_recipient(), lease_ends_in=30)


def note(delivery: Delivery, seq: int, event: EventType) -> None:
    Event.objects.create(intent=delivery.intent, seq=seq, type=event, status=Status.FAILED, actor="system")


def end_twice(delivery: Delivery) -> None:
    note(delivery, 10, EventType.COMPLETED)
    note(delivery, 11, EventType.CANCELED)


def set_timer_twice(delivery: Delivery) -> None:
    for _ in range(2):
        Timer.objects.create(intent=delivery.intent, kind=TimerKind.DEADLINE, due_at=Now())


def name_twice(delivery: Delivery) -> None:
    for _ in range(2):
        IdempotencyRecord.objects.create(
            agent_id=delivery.agent_id, method="POST", path="/", key="a", request_hash=b"", intent_id=uuid4()
        )


def intent(**values: Any) -> Callable[[Delivery], object]:
    return lambda delivery: Intent.objects.filter(pk=delivery.intent_id).update(**values)


def owed(**values: Any) -> Callable[[Delivery], object]:
    return lambda delivery: Delivery.objects.filter(pk=delivery.pk).update(**values)


#: The rule, and how to break it.
BREACHES: list[tuple[str, Callable[[Delivery], object]]] = [
    ("event_one_terminal_per_intent", end_twice),
    ("event_seq_from_one", lambda delivery: note(delivery, 0, EventType.REMINDER)),
    ("intents_event_pkey", lambda delivery: note(delivery, 1, EventType.REMINDER)),
    ("intent_status_is_known", intent(status="CANCELLED")),
    ("intent_waits_for_a_reason", intent(status="WAITING")),
    ("intent_waits_for_a_reason", intent(waiting_reason="WAITING_FOR_TIME")),
    ("intent_attempts_within_maximum", intent(attempt=F("max_delivery_attempts") + 1)),
    ("intents_intent_seq_check", intent(seq=-1)),
    ("delivery_attempts_within_maximum", owed(attempt=F("max_attempts") + 1)),
    ("intents_delivery_attempt_check", owed(attempt=-1)),
    ("delivery_maximum_from_one", owed(attempt=0, max_attempts=0)),
    ("delivery_lease_has_token_and_expiry_or_neither", owed(lease_expires_at=None)),
    ("delivery_lease_has_token_and_expiry_or_neither", owed(lease_token=None)),
    ("intents_delivery_intent_id", lambda delivery: Delivery.objects.bulk_create([_another(delivery)])),
    ("timer_one_of_a_kind", set_timer_twice),
    ("intents_idempotencyrecord_pkey", name_twice),
    ("sweep_run_is_one_row", lambda _: SweepRun.objects.create(id=2, ran_at=Now())),
]


def _another(delivery: Delivery) -> Delivery:
    return Delivery(intent=delivery.intent, agent=delivery.agent, due_at=Now(), max_attempts=1)


@pytest.mark.parametrize(("rule", "break_it"), BREACHES)
def test_the_database_refuses(delivery: Delivery, rule: str, break_it: Callable[[Delivery], object]) -> None:
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        break_it(delivery)


def test_every_rule_that_a_model_names_is_broken_here() -> None:
    named = {
        constraint.name
        for model in (Intent, Event, Delivery, Timer, SweepRun, IdempotencyRecord)
        for constraint in model._meta.constraints
        if isinstance(constraint, models.CheckConstraint | models.UniqueConstraint)
    }

    assert named <= {rule for rule, _ in BREACHES}


def test_the_database_has_every_rule_that_a_model_of_intents_names() -> None:
    with connection.cursor() as cursor:
        for model in apps.get_app_config("intents").get_models():
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
            assert {each.name for each in model._meta.constraints} <= set(found)
            assert {each.name for each in model._meta.indexes} <= set(found)


def test_claimable_is_what_is_due_or_whose_lease_is_over(delivery: Delivery) -> None:
    ready = make_delivery(Agent.objects.get(pk=delivery.agent_id), due_in=-60)

    assert delivery.claimable_at == delivery.lease_expires_at
    assert ready.claimable_at == ready.due_at


def test_cursors_come_in_steps_of_two() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT increment_by FROM pg_sequences WHERE sequencename = 'intents_delivery_cursor'")
        assert cursor.fetchall() == [(2,)]
