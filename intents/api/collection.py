"""Intents, many at a time: submit one or a batch, list them, cancel them in bulk."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router

from agents import addresses, documents
from agents.access import requires
from agents.api import tenancy
from agents.errors import ApiError, Invalid, NotFound
from agents.models import Scope
from agents.postgres import in_thread
from intents import intake, listing, tracing
from intents.api.requests import (
    IDEMPOTENCY_KEY,
    AgentRequest,
    answer,
    check_owner,
    checked_key,
    fingerprint,
    plain,
)
from intents.api.schemas import BatchIn, BatchOut, IntentsOut, SubmittedOut
from intents.intake import IntentIn
from intents.lifecycle import OPEN, Status
from intents.listing import Wanted
from intents.records import Submission
from intents.wire import intent_body

router = Router(tags=["intents"])

#: The body is validated once, by `intake`, not by ninja before it; OpenAPI is told all the same.
SUBMISSION = {
    **IDEMPOTENCY_KEY,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": IntentIn.model_json_schema()}},
    },
}
#: Keys that stand for a whole batch are kept apart from those of single intents.
BATCH_PATH = "/v1/intents/batch"


@router.post("", response=SubmittedOut, openapi_extra=SUBMISSION)
@requires(Scope.SUBMIT)
@plain
async def submit_intent(request: AgentRequest) -> HttpResponse:
    """Submit an intent. Answered, it is on disk. Repeating an Idempotency-Key returns the first answer."""
    check_owner(request)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    [asked] = await intake.prepare(
        [documents.parse(request.body)],
        request.auth,
        key=checked_key(key) if key is not None else None,
        trace=_trace(request),
    )
    if isinstance(asked, ApiError):
        raise asked
    [submitted] = await intake.record([asked])
    if isinstance(submitted, ApiError):
        raise submitted
    return answer(submitted)


@router.post("/batch", response=BatchOut, openapi_extra=IDEMPOTENCY_KEY)
@requires(Scope.SUBMIT)
async def submit_batch(request: AgentRequest, body: BatchIn) -> HttpResponse:
    """Submit up to 500 intents in one commit. Each is validated by itself and answered by itself, in order."""
    check_owner(request)
    prepared = await intake.prepare(body.intents, request.auth, trace=_trace(request))
    if (key := request.META.get("HTTP_IDEMPOTENCY_KEY")) is not None:
        _name(prepared, body.intents, checked_key(key))
    recorded = await intake.record([each for each in prepared if not isinstance(each, ApiError)])
    results = [_result(outcome) for _, outcome in intake.in_order(prepared, recorded)]
    return answer({"ok": True, "results": results})


def _trace(request: AgentRequest) -> str | None:
    return tracing.from_header(request.META.get("HTTP_TRACEPARENT"))


def _name(prepared: list[Submission | ApiError], rows: list[Any], key: str) -> None:
    """Let the batch's key stand for one for each of its rows that has none of its own."""
    for place, (each, row) in enumerate(zip(prepared, rows, strict=True)):
        if not isinstance(each, ApiError) and each.idempotency_key is None:
            each.idempotency_key, each.path = f"{key}/{place}", BATCH_PATH
            each.request_hash = fingerprint(row)


def _result(outcome: dict[str, Any] | ApiError) -> dict[str, Any]:
    if isinstance(outcome, ApiError):
        error = {"code": outcome.code, "message": outcome.message, "details": outcome.details}
        return {"ok": False, "error": error}
    return outcome


@router.get("", response=IntentsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_intents(
    request: AgentRequest,
    status: str | None = None,
    to_agent: str | None = None,
    intent_type: str | None = None,
    correlation_id: UUID | None = None,
    workspace_id: UUID | None = None,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> HttpResponse:
    """List intents of a workspace, the key's own unless an administrator names another, newest first.

    `status` is one or several of the statuses, in any case, or `pending`: all that have not ended. A page with
    `next_cursor` may be short: filters are not followed back for ever in one request.
    """
    caller = request.auth
    if workspace_id not in (None, caller.workspace_id):
        if not caller.is_admin:
            raise NotFound("workspace not found")
        await in_thread(tenancy.workspace, caller, workspace_id)
    if to_agent is None and not caller.permits(Scope.READ):
        to_agent = caller.address
    recipient_id = None
    if to_agent is not None:
        recipient = await addresses.resolve(to_agent, caller=caller, create=False)
        if recipient is None:
            return answer({"ok": True, "intents": []})
        recipient_id = recipient.agent_id
    wanted = Wanted(
        workspace_id=workspace_id or caller.workspace_id,
        recipient_id=recipient_id,
        statuses=_statuses(status) if status is not None else None,
        intent_type=intent_type,
        correlation_id=correlation_id,
        before=cursor,
        limit=limit,
    )
    page = await listing.page(wanted, caller)
    body: dict[str, Any] = {"ok": True, "intents": [intent_body(row) for row in page.rows]}
    if page.before is not None:
        body["next_cursor"] = page.before
    return answer(body)


def _statuses(text: str) -> frozenset[str]:
    asked = {part.strip().upper() for part in text.split(",") if part.strip()}
    found = {status for part in asked for status in (OPEN if part == "PENDING" else {part})}
    if not found or (unknown := found - set(Status)):
        raise Invalid(f"status: unknown: {', '.join(sorted(unknown)) if found else text!r}")
    return frozenset(map(str, found))
