"""What an agent says of an intent before its end: steps that are saved, and what the work has cost."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from ninja import Router

from agents.access import requires
from agents.models import Scope
from intents import checkpoints, coalescer, reading
from intents.api.requests import AgentRequest, answer, hold_of
from intents.api.schemas import CheckpointOut, CheckpointsOut, ReportedOut
from intents.errors import NotYours, Outcome
from intents.operations import SMALL
from intents.records import Hold, Report, Save
from intents.usage import Usage
from intents.values import BYTES, Value, checked_content_type, checked_size
from intents.wire import timestamp

router = Router(tags=["checkpoints"])

#: For OpenAPI: any bytes at all.
ANY_BYTES: dict[str, Any] = {"requestBody": {"content": {"*/*": {"schema": {"format": "binary"}}}}}
RAW: dict[str, Any] = {"responses": {200: {"content": {"*/*": {"schema": {"format": "binary"}}}}}}


@router.put(
    "/{intent_id}/checkpoints/{path:step}",
    response={200: CheckpointOut, 201: CheckpointOut},
    openapi_extra=ANY_BYTES,
)
@requires(Scope.AGENT)
async def save_checkpoint(request: AgentRequest, intent_id: UUID, step: str) -> HttpResponse:
    """Save a step of an intent, once. Answered 201, it is on disk; 200 has what was saved there before."""
    checkpoints.checked_step(step)
    content_type = checked_content_type(request.META.get("CONTENT_TYPE") or BYTES)
    value = checked_size(Value(content_type, request.body), settings.PERDURE_VALUE_BYTES)
    [saved] = await coalescer.checkpoint([Save(_hold(request, intent_id), step, content_type, value.bytes)])
    if saved.outcome is Outcome.FORBIDDEN:
        await _refuse_others(request, intent_id)
    checkpoints.check(saved)
    created = saved.outcome is Outcome.DONE
    response = answer({"ok": True, "created": created, "checkpoint": checkpoints.body(saved.checkpoint)})
    response.status_code = 201 if created else 200
    return response


@router.get("/{intent_id}/checkpoints", response=CheckpointsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_checkpoints(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """List an intent's checkpoints in the order in which they were saved; small ones with their values."""
    await reading.check_visible(intent_id, request.auth)
    rows = await coalescer.read("checkpoints", ids=[intent_id], **SMALL)
    return answer({"ok": True, "checkpoints": checkpoints.bodies(rows), "checkpoint_count": len(rows)})


@router.get("/{intent_id}/checkpoints/{path:step}", openapi_extra=RAW)
@requires(Scope.READ, Scope.AGENT)
async def get_checkpoint(request: AgentRequest, intent_id: UUID, step: str) -> HttpResponse:
    """Give the bytes of a checkpoint, as something to be kept, never to be shown."""
    checkpoints.checked_step(step)
    await reading.check_visible(intent_id, request.auth)
    rows = await coalescer.read("stored_checkpoints", ids=[intent_id], steps=[step])
    if not rows:
        raise checkpoints.CheckpointNotFound
    [row] = rows
    return HttpResponse(
        bytes(row["value"]),
        content_type=row["content_type"],
        headers={
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox",
            "X-Perdure-Attempt": str(row["attempt"]),
            "X-Perdure-At": timestamp(row["at"]),
        },
    )


@router.post("/{intent_id}/usage", response=ReportedOut)
@requires(Scope.AGENT)
async def report_usage(request: AgentRequest, intent_id: UUID, body: Usage) -> HttpResponse:
    """Note what the work on an intent has cost since the last report."""
    [done] = await coalescer.report([Report(_hold(request, intent_id), body.given())])
    if done.outcome is Outcome.FORBIDDEN:
        await _refuse_others(request, intent_id)
    done.outcome.check()
    return answer({"ok": True, "intent_id": intent_id, "seq": done.seq})


def _hold(request: AgentRequest, intent_id: UUID) -> Hold:
    """What is written under: an administrator's key may for every agent of its organization."""
    return hold_of(request, intent_id, as_agent=not request.auth.is_admin, has_session=True)


async def _refuse_others(request: AgentRequest, intent_id: UUID) -> None:
    """Tell somebody else's agent no more than it may know.

    Raises:
        IntentNotFound, NotYours: always one of them.
    """
    await reading.check_visible(intent_id, request.auth)
    raise NotYours
