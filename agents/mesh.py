"""The kill switch of agents, and the log of what happens to them.

A killed agent gets nothing and writes nothing. The ledger's statements see to that by themselves, on the row of the
agent, which they lock; so a kill is in force everywhere once it is answered, whatever any process remembers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from agents import audit, signals
from agents.caller import Caller
from agents.errors import AgentKilled
from agents.models import Agent, MeshEvent, MeshEventType, Role, Scope
from agents.people import Operator

LONGEST_REASON = 1024

#: Whoever writes as an agent holds a lock on its key, which this waits for. That the row is changed under it is what
#: makes those look again who come for the lock later, with an older view; and says, as a time after that of the kill,
#: that it has been done.
WAIT_FOR_WRITERS = """
    WITH killed AS (
        SELECT id FROM agents_agent
        WHERE id = ANY(%(agents)s) AND killed_at IS NOT NULL
        ORDER BY id
        FOR UPDATE
    )
    UPDATE agents_agent AS agent SET updated_at = clock_timestamp() FROM killed WHERE agent.id = killed.id
"""
#: The same by somebody who cannot wait, and comes again.
SETTLE = WAIT_FOR_WRITERS.replace("FOR UPDATE", "FOR UPDATE SKIP LOCKED")


def kill(agent: Agent, *, by: Operator | Caller | str, reason: str = "") -> Agent:
    """Let nothing go to this agent or come from it, until it is resumed. Repeating it changes nothing.

    When this returns, or the transaction that it is a part of has been committed, no statement is under way that does
    not know of it.

    Raises:
        Forbidden: the role or the key does not permit it.
    """
    authorize(by)
    reason = reason.replace("\x00", "").strip()[:LONGEST_REASON]
    with transaction.atomic():
        killed = Agent.objects.filter(pk=agent.pk, killed_at=None).update(
            killed_at=Now(), killed_by=name_of(by)[:255], kill_reason=reason
        )
        if killed:
            note(agent, MeshEventType.KILLED, actor=name_of(by), **({"reason": reason} if reason else {}))
            _audit(by, "agent.killed", agent, reason)
        # Only then: from the commit on nobody new takes the lock that this waits for. Should this process die over it,
        # any web process that reads of the kill does it in its place.
        transaction.on_commit(partial(_take_effect, agent))
    agent.refresh_from_db()
    return agent


def _take_effect(agent: Agent) -> None:
    """Wait for those who write as the agent and have not seen that it is killed, and tell everybody."""
    with connection.cursor() as cursor:
        cursor.execute(WAIT_FOR_WRITERS, {"agents": [agent.pk]})
    _announce(agent)


def resume(agent: Agent, *, by: Operator | Caller | str) -> Agent:
    """Lift the kill switch: what is owed to the agent is delivered again. Repeating it changes nothing.

    Raises:
        Forbidden: the role or the key does not permit it.
        AgentKilled: the agent would lift its own.
    """
    authorize(by)
    if isinstance(by, Caller) and by.agent_id == agent.pk and agent.is_killed:
        raise AgentKilled("a killed agent cannot resume itself")
    with transaction.atomic():
        resumed = Agent.objects.filter(pk=agent.pk, killed_at__isnull=False).update(
            killed_at=None, killed_by="", kill_reason="", updated_at=Now()
        )
        if resumed:
            note(agent, MeshEventType.RESUMED, actor=name_of(by))
            _audit(by, "agent.resumed", agent)
            transaction.on_commit(partial(_announce, agent))
    agent.refresh_from_db()
    return agent


def authorize(by: Operator | Caller | str) -> None:
    """Refuse whoever may not decide about agents.

    Raises:
        Forbidden: the role or the key does not permit it.
    """
    if isinstance(by, Operator):
        by.require(Role.OPERATOR)
    elif isinstance(by, Caller):
        by.require(Scope.OPERATE)


def name_of(by: Operator | Caller | str) -> str:
    """What events call whoever did it."""
    return by if isinstance(by, str) else by.actor if isinstance(by, Operator) else by.address


def _audit(by: Operator | Caller | str, action: str, agent: Agent, reason: str = "") -> None:
    audit.record(
        by,
        action,
        agent.service_account_id,
        organization_id=agent.organization_id,
        target_label=agent.address,
        reason=reason,
    )


def _announce(agent: Agent) -> None:
    # Robust: what is committed is in force, whether or not somebody stumbles over the news.
    signals.agents_switched.send_robust(Agent, agent_ids=[agent.pk])


def note(agent: Agent, kind: MeshEventType, *, actor: str = "system", **details: Any) -> MeshEvent:
    """Record a fact about an agent, if the transaction that made it so is committed."""
    event = fact(agent, kind, actor=actor, **details)
    event.save()
    return event


def fact(agent: Agent, kind: MeshEventType, *, actor: str = "system", **details: Any) -> MeshEvent:
    """A fact about an agent, to be recorded."""
    return MeshEvent(
        organization_id=agent.organization_id,
        workspace_id=agent.workspace_id,
        agent=agent,
        type=kind,
        actor=actor[:255],
        details=details,
    )
