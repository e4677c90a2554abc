"""Intents and deliveries for tests, in any state, always with the history that leads there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import F
from django.db.models.functions import Now

from agents.ids import uuid7
from agents.models import Agent
from intents import ledger
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, Intent
from intents.records import Hold, Slot, Submission
from tests.factories import make_agent


def make_recipient(*, beside: Agent | None = None, **fields: Any) -> Agent:
    """An agent to send to: of a tenant of its own, or in the workspace of another agent."""
    return make_agent(beside.workspace if beside else None, **fields)


def submission(agent: Agent, **fields: Any) -> Submission:
    """What a sender asks: an intent for this agent."""
    wanted: dict[str, Any] = {
        "id": uuid7(),
        "organization_id": agent.organization_id,
        "workspace_id": agent.workspace_id,
        "recipient_id": agent.pk,
        "sender_id": agent.pk,
        "intent_type": "demo.work.v1",
        "correlation_id": uuid4(),
        "to_agent": agent.address,
        "from_agent": agent.address,
        "actor": agent.address,
    }
    return Submission(**(wanted | fields))


def make_intent(agent: Agent, **fields: Any) -> Intent:
    """A submitted intent, owed to the agent."""
    [submitted] = ledger.submit([submission(agent, **fields)])
    assert submitted.outcome == "done"
    return Intent.objects.get(pk=submitted.intent_id)


def make_intents(agent: Agent, number: int, **fields: Any) -> list[UUID]:
    """That many of them at once."""
    return [made.intent_id for made in ledger.submit([submission(agent, **fields) for _ in range(number)])]


def make_delivery(
    agent: Agent,
    *,
    due_in: float = 0,
    lease_ends_in: float | None = None,
    attempt: int | None = None,
    max_attempts: int = 3,
    **fields: Any,
) -> Delivery:
    """What is owed of a new intent: ready, or leased and at its first attempt if nothing else is said.

    Times are seconds from now. `fields` are columns of the delivery, set as given.
    """
    intent = make_intent(agent, max_delivery_attempts=max_attempts)
    if attempt is None:
        attempt = 0 if lease_ends_in is None else 1
    for number in range(1, attempt + 1):
        _note(intent, Status.DELIVERED if number == 1 else Status.IN_PROGRESS, {"delivery_attempt": number})
    values: dict[str, Any] = {"attempt": attempt, "due_at": Now() + timedelta(seconds=due_in)}
    if lease_ends_in is not None:
        values |= {
            "lease_token": uuid4(),
            "lease_session": uuid4(),
            "lease_expires_at": Now() + timedelta(seconds=lease_ends_in),
            "lease_seconds": 30,
        }
    Intent.objects.filter(pk=intent.pk).update(attempt=attempt)
    Delivery.objects.filter(intent=intent).update(**(values | fields))
    return Delivery.objects.select_related("intent").get(intent=intent)


def _note(intent: Intent, status: Status, details: dict[str, Any]) -> None:
    Intent.objects.filter(pk=intent.pk).update(status=status, seq=F("seq") + 1)
    intent.refresh_from_db()
    event = EventType(f"intent.{status.lower()}")
    Event.objects.create(
        intent=intent, seq=intent.seq, type=event, status=status, actor="system", details=details
    )


def slot(agent: Agent, room: int = 1, **fields: Any) -> Slot:
    """A connection of the agent that takes that many deliveries."""
    wanted: dict[str, Any] = {"first": 1, "last": room, "session": uuid4(), "seconds": 30}
    return Slot(agent.pk, **(wanted | fields))


def hold(of: Intent | Delivery, **fields: Any) -> Hold:
    """An operator's hold on an intent; with a token, a session or an agent, that of who carries them."""
    intent = of.intent if isinstance(of, Delivery) else of
    return Hold(intent.pk, intent.organization_id, **fields)


def history(intent_id: UUID) -> Sequence[str]:
    """The types of an intent's events, in order."""
    return list(Event.objects.filter(intent_id=intent_id).order_by("seq").values_list("type", flat=True))
