"""One intent as its readers see it: what it is, how it stands, what has happened."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from agents.access import requires
from agents.models import Scope
from intents import blocking, checkpoints, coalescer, reading
from intents.api.requests import AgentRequest, answer, hold_of
from intents.api.schemas import EventsOut, IntentOut
from intents.errors import Outcome
from intents.lifecycle import TERMINAL, Status
from intents.operations import SMALL
from intents.realtime.agent_stream import agent_stream
from intents.realtime.sessions import session_of
from intents.realtime.timeline_stream import timeline_stream
from intents.records import Row
from intents.wire import event_body, intent_body, timestamp, with_mirror

router = Router(tags=["intents"])
#: under /agents, before the routes there: one of those takes any path
streams = Router(tags=["agents"])

EVENT_STREAM: dict[str, Any] = {"responses": {200: {"content": {"text/event-stream": {}}}}}


@router.get("/{intent_id}", response=IntentOut)
@requires(Scope.READ, Scope.AGENT)
async def get_intent(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """Show an intent. To the agent that has it in hand this is the acknowledgement of it."""
    row = await reading.find(intent_id, request.auth)
    if _is_in_hand(row, request):
        row |= await _acknowledge(row, request)
    intent = intent_body(row) | await _checkpoints(row)
    if (why := blocking.of_row(row)) is not None:
        intent |= why.body()
    if row["lease_token"] is not None:
        intent["lease"] = _lease(row, request)
    return answer(with_mirror(intent))


async def _checkpoints(row: Row) -> dict[str, Any]:
    """What has been saved of the work, which is nothing for most."""
    if not row["checkpoint_count"]:
        return {"checkpoint_count": 0, "checkpoints": []}
    saved = await coalescer.read("checkpoints", ids=[row["intent_id"]], **SMALL)
    return {"checkpoint_count": len(saved), "checkpoints": checkpoints.bodies(saved)}


def _is_in_hand(row: Row, request: AgentRequest) -> bool:
    """Whether this read says that the agent has begun: it is the handler's, and there is something to be said."""
    if row["status"] in TERMINAL or row["status"] == Status.WAITING:
        return False
    session = session_of(request)
    holds_it = session is not None and session == row["lease_session"]
    if not (reading.is_handler(row, request.auth) or (request.auth.is_admin and holds_it)):
        return False
    # A bound lease is renewed by the connection that it is bound to; a detached one by calls like this.
    return row["status"] in (Status.SUBMITTED, Status.DELIVERED) or (
        row["lease_token"] is not None and (row["started_at"] is None or bool(row["is_detached"]))
    )


async def _acknowledge(row: Row, request: AgentRequest) -> dict[str, Any]:
    """What has changed about the intent by that. Nothing, if another process of the agent has it in hand."""
    is_handler = row["recipient_id"] == request.auth.agent_id
    hold = hold_of(request, row["intent_id"], as_agent=is_handler, has_session=True)
    [done] = await coalescer.acknowledge([hold])
    if done.outcome is not Outcome.DONE or not done.row["is_fresh"]:
        return {}
    return {"status": Status.IN_PROGRESS, "seq": done.seq, "updated_at": done.row["at"]}


def _lease(row: Row, request: AgentRequest) -> dict[str, Any]:
    """The hold on the intent's delivery; its token only for the process that has it."""
    lease = {"attempt": row["delivery_attempt"], "expires_at": timestamp(row["lease_expires_at"])}
    if row["lease_session"] is not None and session_of(request) == row["lease_session"]:
        lease["token"] = row["lease_token"]
    return lease


@router.get("/{intent_id}/events", response=EventsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_events(
    request: AgentRequest, intent_id: UUID, since: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0
) -> HttpResponse:
    """List what has happened to an intent after event number `since`, in order."""
    await reading.check_visible(intent_id, request.auth)
    rows = await coalescer.read("timeline", ids=[intent_id], after=[since], most=None)
    return answer({"ok": True, "events": [event_body(row, largest=None) for row in rows]})


@router.get("/{intent_id}/events/stream", openapi_extra=EVENT_STREAM)
@requires(Scope.READ, Scope.AGENT)
async def stream_events(request: AgentRequest, intent_id: UUID) -> HttpResponseBase:
    """Send what has happened to an intent after `since`, then what happens, until it has ended or time is up."""
    row = await reading.find(intent_id, request.auth)
    return timeline_stream(
        request, request.auth, intent_id, row["seq"] if row["status"] in TERMINAL else None
    )


@streams.get("/{path:address}/intents/stream", openapi_extra=EVENT_STREAM)
@requires(Scope.AGENT)
async def stream_deliveries(request: AgentRequest, address: str) -> HttpResponseBase:
    """Send an agent its deliveries after the cursor `since`, and each new one as it comes, until time is up."""
    return await agent_stream(request, request.auth, address)
