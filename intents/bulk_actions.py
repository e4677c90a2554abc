"""Actions on many intents at once: what a person asks for, is shown before it is done, and may stop.

They are done by `bulk_work`, in chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents import audit
from agents.errors import Conflict, Invalid, NotFound
from agents.ids import uuid7
from agents.models import Role
from agents.people import Operator
from intents import finding
from intents.desk import checked_reason
from intents.filters import Filters
from intents.lifecycle import OPEN, TERMINAL, Status
from intents.models.bulk_action import BulkAction, BulkKind, BulkState

#: More than this are asked for by a filter.
MOST_CHOSEN = 10_000
#: Above this, the person types what is going to happen.
UNCONFIRMED = 100

#: what each kind is done to
APPLIES_TO: dict[str, frozenset[Status]] = {
    BulkKind.CANCEL: OPEN,
    BulkKind.REDELIVER: OPEN,
    BulkKind.RETRY: TERMINAL,
}


class ActionNotFound(NotFound):
    """There is no such action in this workspace."""

    message = "bulk action not found"


class ActionOver(Conflict):
    """What is over cannot be stopped."""

    code = "bulk_action_over"
    message = "it is over already"


class NotConfirmed(Invalid):
    """So many are changed only after somebody has typed it."""

    code = "not_confirmed"


@dataclass(frozen=True)
class Plan:
    """What somebody is about to do to many intents. What is shown of it is what will be done."""

    kind: BulkKind
    ids: tuple[UUID, ...] | None
    query: str | None
    #: later ones are left alone
    newest: UUID | None
    expected: int
    is_estimate: bool = False

    @cached_property
    def phrase(self) -> str:
        """What is to be typed first; empty if nothing is."""
        if self.expected <= UNCONFIRMED:
            return ""
        return f"{self.kind} {'all' if self.is_estimate else self.expected}"


def plan(operator: Operator, kind: str, *, ids: Sequence[UUID] = (), query: str | None = None) -> Plan:
    """Say what would be done, and to how many.

    Raises:
        Forbidden: the person is not an operator.
        Invalid: there is no such action, nothing is chosen, too much is, or the filter cannot be understood.
    """
    operator.require(Role.OPERATOR)
    if kind not in BulkKind.values:
        raise Invalid(f"action: {kind[:40]!r} is none; there are {', '.join(BulkKind.values)}")
    if query is None:
        chosen = tuple(sorted(set(ids), reverse=True))
        if not chosen:
            raise Invalid("ids: no intent is chosen")
        if len(chosen) > MOST_CHOSEN:
            raise Invalid(f"ids: at most {MOST_CHOSEN:,}; choose all that fit a filter instead")
        return Plan(BulkKind(kind), chosen, None, None, len(chosen))
    filters = filters_of(kind, query)
    if not filters.statuses:  # none of those that are wanted can be changed like this; empty would mean all
        return Plan(BulkKind(kind), None, query, uuid7(), 0)
    counted = finding.run(finding.count(operator.workspace_id, filters))
    return Plan(BulkKind(kind), None, query, uuid7(), counted.number, not counted.is_exact)


def begin(
    operator: Operator, asked: Plan, *, reason: str = "", typed: str = "", from_checkpoints: bool = True
) -> BulkAction:
    """Record an action that somebody has asked for. It is done by `run`, of which whoever calls this has to see.

    Raises:
        Forbidden: the person is not an operator.
        NotConfirmed: there are many, and something else was typed than what is going to happen.
        Invalid: canceling needs a reason.
    """
    operator.require(Role.OPERATOR)
    why = checked_reason(reason, is_needed=asked.kind is BulkKind.CANCEL)
    if asked.expected == 0:
        raise Invalid("there is no intent to do this to")
    if " ".join(typed.split()).casefold() != asked.phrase and asked.phrase:
        raise NotConfirmed(f"type “{asked.phrase}” to confirm")
    with transaction.atomic():
        action = BulkAction.objects.create(
            organization_id=operator.organization_id,
            workspace_id=operator.workspace_id,
            kind=asked.kind,
            user_id=operator.user_id,
            username=operator.username,
            remote_addr=operator.remote_addr,
            user_agent=operator.user_agent,
            reason=why,
            from_checkpoints=from_checkpoints,
            ids=list(asked.ids) if asked.ids is not None else None,
            query=asked.query,
            newest=asked.newest,
            expected=asked.expected,
            is_estimate=asked.is_estimate,
        )
        note(operator, "bulk.started", action, {"query": asked.query, "expected": asked.expected})
    return action


def find(operator: Operator, action_id: UUID) -> BulkAction:
    """An action of the person's workspace.

    Raises:
        ActionNotFound: there is none of this id.
    """
    action = BulkAction.objects.filter(
        pk=action_id, organization_id=operator.organization_id, workspace_id=operator.workspace_id
    ).first()
    if action is None:
        raise ActionNotFound
    return action


def stop(operator: Operator, action_id: UUID) -> None:
    """Let it do no more; what is done stays done.

    Raises:
        ActionNotFound, Forbidden: as above.
        ActionOver: it is over already.
    """
    action = find(operator, action_id)
    operator.require(Role.OPERATOR)
    with transaction.atomic():
        # Waits for the chunk that is being done.
        action = BulkAction.objects.select_for_update().get(pk=action.pk)
        if not action.is_open:
            raise ActionOver
        action.stopped_by = operator.username
        end(action, BulkState.STOPPED)
        note(operator, "bulk.stopped", action, {"done": action.succeeded, "failed": action.failed})


def filters_of(kind: str, query: str) -> Filters:
    """The filters, for no more than what the action applies to."""
    wanted = Filters.of(query)
    applies = APPLIES_TO[kind]
    return replace(wanted, statuses=wanted.statuses & applies if wanted.statuses else applies)


def end(action: BulkAction, state: BulkState) -> None:
    """Write down that it is over, and how that came."""
    action.state = state
    BulkAction.objects.filter(pk=action.pk).update(
        state=state, stopped_by=action.stopped_by, refusal=action.refusal, ended_at=Now(), moved_at=Now()
    )


def label(action: BulkAction) -> str:
    """What is shown of it in the audit log."""
    about = "about " if action.is_estimate else ""
    return f"{action.kind} {about}{action.expected:,} intents"


def note(operator: Operator, name: str, action: BulkAction, details: dict[str, object]) -> None:
    """Leave an entry in the audit log."""
    audit.record(
        operator,
        name,
        str(action.pk),
        organization_id=action.organization_id,
        target_label=label(action),
        reason=action.reason,
        details={**details, "bulk_action": str(action.pk)},
    )
