"""What operators do to intents: steer, redeliver, retry, cancel in bulk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from ninja import Router

from agents.access import requires
from agents.caller import Caller
from agents.errors import Invalid
from agents.models import Scope
from agents.postgres import in_thread
from intents import auditing, bulk, controls, reading
from intents.api.requests import AgentRequest, answer, check_owner
from intents.api.schemas import (
    BulkCanceledOut,
    BulkCancelIn,
    ControlsIn,
    PolicyIn,
    RedeliveryOut,
    RetriedOut,
    RetryIn,
    SteeredOut,
)
from intents.controls import Steered
from intents.lifecycle import OPEN, Status
from intents.models import Intent
from intents.records import Row, Submitted
from intents.wire import timestamp

router = Router(tags=["operating"])
#: of no single intent, so before the routes of those
collection = Router(tags=["operating"])


@router.post("/{intent_id}/controls", response=SteeredOut)
@requires(Scope.OPERATE)
async def patch_controls(request: AgentRequest, intent_id: UUID, body: ControlsIn) -> HttpResponse:
    """Patch an open intent's controls. Deadline, attempts and reminders take effect at once."""
    check_owner(request)
    row = await reading.find(intent_id, request.auth)
    steered = await in_thread(_patch_controls, row, request.auth, body)
    return _steered(intent_id, steered.policy_generation, {"controls": steered.settings})


def _patch_controls(row: Row, caller: Caller, body: ControlsIn) -> Steered:
    with transaction.atomic():
        steered = controls.patch_controls(
            row["intent_id"], body.controls_patch, body.expected_policy_generation
        )
        _note_patch(caller, "intent.controls_changed", row, steered, controls=body.controls_patch)
    return steered


@router.post("/{intent_id}/policy", response=SteeredOut)
@requires(Scope.OPERATE)
async def patch_policy(request: AgentRequest, intent_id: UUID, body: PolicyIn) -> HttpResponse:
    """Patch an open intent's policy: what it grants, and within which bounds."""
    check_owner(request)
    row = await reading.find(intent_id, request.auth)
    steered = await in_thread(_patch_policy, row, request.auth, body)
    return _steered(intent_id, steered.policy_generation, steered.settings)


def _patch_policy(row: Row, caller: Caller, body: PolicyIn) -> Steered:
    with transaction.atomic():
        steered = controls.patch_policy(
            row["intent_id"], body.grants_patch, body.envelope_patch, body.expected_policy_generation
        )
        patches = {"grants": body.grants_patch, "envelope": body.envelope_patch}
        _note_patch(caller, "intent.policy_changed", row, steered, **patches)
    return steered


def _note_patch(
    caller: Caller, action: str, row: Row, steered: Steered, **patches: dict[str, Any] | None
) -> None:
    # Which were set, not to what: values are the intent's own business, and may be as large as they like.
    names = {name: sorted(patch) for name, patch in patches.items() if patch}
    auditing.note(caller, action, row, details={**names, "policy_generation": steered.policy_generation})


def _steered(intent_id: UUID, generation: int, settings: dict[str, Any]) -> HttpResponse:
    return answer(
        {**settings, "ok": True, "applied": True, "policy_generation": generation, "intent_id": intent_id}
    )


@router.post("/{intent_id}/redeliver", response=RedeliveryOut)
@requires(Scope.OPERATE)
async def redeliver(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """Make an open intent due at once, whoever holds it."""
    await reading.check_visible(intent_id, request.auth)
    await in_thread(_redeliver, intent_id, request.auth)
    return answer({"ok": True, "intent_id": intent_id})


def _redeliver(intent_id: UUID, caller: Caller) -> None:
    with transaction.atomic():
        intent = Intent.objects.get(pk=intent_id)
        intent.redeliver(actor=caller.address)
        auditing.note(caller, "intent.redelivered", intent)


@router.post("/{intent_id}/retry", response=RetriedOut)
@requires(Scope.OPERATE)
async def retry(request: AgentRequest, intent_id: UUID, body: RetryIn | None = None) -> HttpResponse:
    """Submit an ended intent once more, as a new one. It goes on from the checkpoints, unless told to start over."""
    row = await reading.find(intent_id, request.auth)
    submitted = await in_thread(_retry, intent_id, request.auth, body or RetryIn())
    return answer(
        {
            "ok": True,
            "intent_id": submitted.intent_id,
            "retry_of": intent_id,
            "status": Status.SUBMITTED,
            "created_at": timestamp(submitted.created_at),
            "correlation_id": row["correlation_id"],
            "to_agent": row["to_agent"],
        }
    )


def _retry(intent_id: UUID, caller: Caller, asked: RetryIn) -> Submitted:
    with transaction.atomic():
        intent = Intent.objects.get(pk=intent_id)
        submitted: Submitted = intent.retry(actor=caller.address, checkpoints=asked.checkpoints)
        details = {"retried_as": str(submitted.intent_id), "from_checkpoints": asked.checkpoints}
        auditing.note(caller, "intent.retried", intent, details=details)
    return submitted


@collection.post("/bulk-cancel", response=BulkCanceledOut)
@requires(Scope.OPERATE)
async def bulk_cancel(request: AgentRequest, body: BulkCancelIn) -> HttpResponse:
    """Cancel the open intents of the key's workspace that nothing has happened to for long. At first, say which."""
    caller = request.auth
    statuses = {status.upper() for status in body.status_filter}
    if unknown := statuses - OPEN:
        raise Invalid(f"status_filter: no statuses of open intents: {', '.join(sorted(unknown))}")
    since = timedelta(hours=body.older_than_hours)
    ids = await in_thread(bulk.idle, caller.workspace_id, since=since, statuses=statuses, limit=body.limit)
    if body.dry_run:
        return answer({"ok": True, "dry_run": True, "would_cancel": len(ids), "intent_ids": ids})
    canceled = await in_thread(bulk.cancel, ids, caller, reason=body.reason or "bulk cancel")
    return answer({"ok": True, "dry_run": False, "canceled": len(canceled), "intent_ids": canceled})
