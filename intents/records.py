"""What is asked of the ledger, and what it answers: plain records, one for an intent or a delivery."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from intents.errors import Outcome
from intents.lifecycle import EventType

Row = dict[str, Any]


@dataclass(slots=True)
class Submission:
    """An intent to be recorded."""

    id: UUID
    organization_id: UUID
    workspace_id: UUID
    recipient_id: int
    sender_id: int | None
    intent_type: str
    correlation_id: UUID
    to_agent: str
    from_agent: str
    actor: str
    #: JSON text, so that a payload is taken apart once on its way in and not at all on its way out
    payload: str = "{}"
    attributes: str = "{}"
    reply_to: str | None = None
    parent_id: UUID | None = None
    scenario_id: str | None = None
    step_id: str | None = None
    retry_of_id: UUID | None = None
    #: Whether it begins with the checkpoints of the intent that it repeats.
    inherits: bool = False
    deadline_at: datetime | None = None
    ttl_seconds: int | None = None
    remind_after_seconds: int | None = None
    max_delivery_attempts: int = 3
    #: Whether an agent is to get it; a scenario's parent is nobody's delivery.
    is_owed: bool = True
    delay_seconds: float = 0.0
    #: The sender's name for this request, the route it belongs to, and what else was asked under it.
    idempotency_key: str | None = None
    path: str = "/v1/intents"
    request_hash: bytes = b""
    #: What is answered, but for the time; kept for a repetition.
    response: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Submitted:
    """What came of a submission: `done`, `repeated`, `conflict`, `forgotten`, `deadline_passed`, or who forbids it."""

    outcome: str
    intent_id: UUID
    created_at: datetime
    #: The answer of the first request under this idempotency key.
    response: dict[str, Any] | None = None
    #: What a policy says about it that does not let it pass.
    details: dict[str, Any] | None = None
    #: A connection waited for it, and has it.
    lease: Lease | None = None


@dataclass(slots=True, frozen=True)
class Slot:
    """A connection's share of its agent's due deliveries: the `first`-th to the `last`-th, from 1."""

    agent_id: int
    first: int
    last: int
    session: UUID
    #: how long the lease lasts unrenewed
    seconds: int
    is_detached: bool = False


@dataclass(slots=True)
class Lease:
    """A delivery handed over: one attempt, held by one connection."""

    intent_id: UUID
    agent_id: int
    attempt: int
    max_attempts: int
    lease_token: UUID
    lease_session: UUID
    cursor: int
    returns: int
    seq: int
    status: str
    organization_id: UUID
    workspace_id: UUID
    intent_type: str
    from_agent: str
    to_agent: str
    correlation_id: UUID
    parent_id: UUID | None
    created_at: datetime
    payload: str
    checkpoint_count: int
    traceparent: str | None
    at: datetime
    #: What earlier attempts have saved, small values included.
    checkpoints: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Hold:
    """One writer's claim on an intent: who it is and, if it can carry one, the lease it writes under."""

    intent_id: UUID
    organization_id: UUID
    #: Only this agent's intents; None for operators.
    agent_id: int | None = None
    token: UUID | None = None
    session: UUID | None = None
    actor: str = "system"


@dataclass(slots=True)
class Ending:
    """An intent to be ended, and how."""

    hold: Hold
    type: EventType
    details: dict[str, Any] = field(default_factory=dict)
    #: Note `in_progress` first if it was not: the protocol's agents expect to see it.
    via_progress: bool = False
    #: Whether the answer's row describes the intent.
    is_told: bool = True


@dataclass(slots=True)
class Release:
    """A delivery to be given back. `closed`: its connection died. `released`: the agent wants it later."""

    hold: Hold
    reason: str = "closed"
    delay_seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Done:
    """What became of one asked-for change, and the row that says more of it."""

    outcome: Outcome
    row: Row

    @property
    def seq(self) -> int:
        return int(self.row["seq"])


@dataclass(slots=True)
class Save:
    """A step of an intent to be saved, once and for all."""

    hold: Hold
    step: str
    content_type: str
    value: bytes


@dataclass(slots=True)
class Saved:
    """What became of a step, and what is stored of it: `done` with one's own, `repeated` with an earlier one's."""

    outcome: Outcome
    checkpoint: Row


@dataclass(slots=True)
class Report:
    """What the work on an intent has cost: the fields that its agent gave."""

    hold: Hold
    usage: dict[str, Any]


@dataclass(slots=True)
class Wake:
    """An intent to be set in progress; `is_owed`: its agent gets it (again)."""

    hold: Hold
    details: dict[str, Any] = field(default_factory=dict)
    is_owed: bool = False


@dataclass(slots=True)
class Wait:
    """An intent to wait: nothing is owed of it meanwhile."""

    intent_id: UUID
    reason: str
    actor: str = "system"
    details: dict[str, Any] = field(default_factory=dict)
