"""A scenario to play through: bundles, and an agent that answers its steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
from django.db.models import F
from django.db.models.functions import Now

from agents.caller import Caller
from agents.models import ALL_SCOPES, Agent
from intents import bundle as bundles, ledger, scenarios
from intents.lifecycle import EventType
from intents.models import Event, Intent, Timer, Workflow
from intents.records import Ending, Lease
from tests.factories import make_agent, make_caller, make_workspace
from tests.intents.factories import hold, slot


def make_bundle(*steps: dict[str, Any], **intent: Any) -> dict[str, Any]:
    """A bundle with one agent; its steps are that agent's unless they say otherwise. Without steps, no workflow."""
    bundle: dict[str, Any] = {
        "scenario_id": "demo.checkpoint-resume.v1",
        "agents": [{"role": "worker", "address": "worker-demo", "create_if_missing": True}],
        "intent": {"type": "intent.demo.v1", "payload": {"rows": 3}, **intent},
    }
    if steps:
        bundle["workflow"] = {"steps": [_step(number, step) for number, step in enumerate(steps, 1)]}
    return bundle


def _step(number: int, step: dict[str, Any]) -> dict[str, Any]:
    usual = {"step_id": f"s{number}", "tool_id": ""}
    return usual | ({} if "runtime_type" in step else {"assigned_to": "worker"}) | step


class Play:
    """One scenario, applied."""

    def __init__(self, *steps: dict[str, Any], caller: Caller | None = None, **intent: Any) -> None:
        self.caller = caller or make_caller(make_agent(make_workspace()), ALL_SCOPES)
        self.answer = apply(make_bundle(*steps, **intent), self.caller)
        self.parent = Intent.objects.get(pk=self.answer["intent_id"])
        [shown] = self.answer["agents"]
        self.agent = Agent.objects.get(address=shown["address"], organization_id=self.caller.organization_id)

    @property
    def workflow(self) -> Workflow:
        return Workflow.objects.get(pk=self.parent.pk)

    @property
    def status(self) -> str:
        self.parent.refresh_from_db()
        return self.parent.status

    @property
    def children(self) -> list[Intent]:
        return list(self.parent.children.order_by("pk"))

    def claim(self) -> Lease:
        """What the agent gets now."""
        [lease] = ledger.claim([slot(self.agent)])
        return lease

    def payload(self, lease: Lease) -> Any:
        return orjson.loads(lease.payload)

    def end(self, event: EventType = EventType.COMPLETED, **details: Any) -> UUID:
        """Let the agent take its next intent and end it."""
        lease = self.claim()
        intent = Intent.objects.get(pk=lease.intent_id)
        [done] = ledger.finish([Ending(hold(intent, token=lease.lease_token), event, details)])
        done.outcome.check()
        return lease.intent_id

    def details(self, event: EventType) -> list[dict[str, Any]]:
        """What the parent's events of a type say."""
        found = Event.objects.filter(intent=self.parent, type=event).order_by("seq")
        return list(found.values_list("details", flat=True))

    def let_time_pass(self) -> None:
        """All timers are due, and all deliveries."""
        Timer.objects.update(due_at=Now())
        for child in self.children:
            if hasattr(child, "delivery"):
                type(child.delivery).objects.filter(pk=child.delivery.pk, lease_token=None).update(
                    due_at=Now()
                )


def apply(bundle: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Apply a bundle whose agents are all to be created."""
    read, errors = bundles.read(bundle)
    assert read is not None
    assert errors == []
    return scenarios.apply(read, bundle, caller, {})


def check_histories() -> None:
    """Every intent's history adds up to its status, and its events count without gaps."""
    for intent in Intent.objects.all():
        assert intent.replayed() == intent.status
        seqs: Iterable[int] = intent.events.order_by("seq").values_list("seq", flat=True)
        assert list(seqs) == list(range(1, intent.seq + 1))
    assert not Event.objects.filter(intent__seq__lt=F("seq")).exists()
