"""Policies of agents, as operators set them. The ledger enforces them, on locked rows; see `agents.allowance`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from agents import audit, mesh
from agents.caller import Caller
from agents.models import ActionMode, Agent, AgentPolicy, MeshEventType, OnBreach
from agents.people import Operator


def of(agent: Agent) -> AgentPolicy:
    """The agent's policy; one without any limits, if nobody has set one."""
    return AgentPolicy.objects.filter(agent=agent).first() or AgentPolicy(agent=agent)


def set_cost(
    agent: Agent,
    *,
    by: Operator | Caller,
    max_intents_per_hour: int | None = None,
    max_intents_per_day: int | None = None,
    max_cost_per_day_usd: Decimal | None = None,
    action_on_breach: OnBreach = OnBreach.BLOCK,
) -> AgentPolicy:
    """Limit what goes to the agent and comes from it. A limit that is not given is lifted.

    Intents are counted from when there is a limit on their number; changing it goes on counting.

    Raises:
        Forbidden: the role or the key does not permit it.
    """
    wanted = {
        "max_intents_per_hour": max_intents_per_hour,
        "max_intents_per_day": max_intents_per_day,
        "max_cost_per_day_usd": max_cost_per_day_usd,
        "action_on_breach": action_on_breach,
    }
    return _set(agent, by, "cost", wanted)


def set_action(
    agent: Agent, *, by: Operator | Caller, mode: ActionMode, intent_types: Sequence[str]
) -> AgentPolicy:
    """Let only these intent types go to the agent and come from it, or all but these.

    Raises:
        Forbidden: the role or the key does not permit it.
    """
    return _set(agent, by, "action", {"mode": mode, "intent_types": list(dict.fromkeys(intent_types))})


def _set(agent: Agent, by: Operator | Caller, which: str, wanted: dict[str, Any]) -> AgentPolicy:
    mesh.authorize(by)
    with transaction.atomic():
        AgentPolicy.objects.bulk_create([AgentPolicy(agent=agent)], ignore_conflicts=True)
        policy = AgentPolicy.objects.select_for_update(of=("self",)).get(agent=agent)
        has_changed = any(getattr(policy, name) != value for name, value in wanted.items())
        for name, value in wanted.items():
            setattr(policy, name, value)
        if policy.max_intents_per_hour is None:
            policy.hour, policy.intents_in_hour = None, 0
        if policy.max_intents_per_day is None:
            policy.day, policy.intents_in_day = None, 0
        # What has been told of was another limit.
        policy.told = {}
        policy.updated_at = Now()
        policy.save()
        Agent.objects.filter(pk=agent.pk).update(is_policed=_concerns_anything(policy))
        if has_changed:
            details = {"policy": which, **{name: _shown(value) for name, value in wanted.items()}}
            mesh.note(agent, MeshEventType.POLICY_CHANGED, actor=mesh.name_of(by), **details)
            audit.record(
                by,
                "agent.policy_changed",
                agent.service_account_id,
                organization_id=agent.organization_id,
                target_label=agent.address,
                details=details,
            )
    return policy


def _concerns_anything(policy: AgentPolicy) -> bool:
    limits = (policy.max_intents_per_hour, policy.max_intents_per_day, policy.max_cost_per_day_usd)
    is_limited = any(limit is not None for limit in limits)
    return is_limited or policy.mode == ActionMode.ALLOW or bool(policy.intent_types)


def _shown(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
