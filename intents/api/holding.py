"""What an agent without a websocket says of a delivery that it holds: begun, still at it, given up.

Each is what the frame of the same name is, for one delivery, under the lease in `X-Perdure-Lease`.
"""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from django.http import HttpResponse
from ninja import Router

from agents.access import requires
from agents.errors import Invalid
from agents.models import Scope
from intents import coalescer, reading
from intents.api.requests import AgentRequest, answer, hold_of
from intents.api.schemas import HeldOut, ReleaseIn
from intents.errors import IntentTerminal, NotYours, Outcome
from intents.lifecycle import TERMINAL
from intents.records import Done, Hold, Release
from intents.wire import agent_error

router = Router(tags=["holding"])


@router.post("/{intent_id}/acknowledge", response=HeldOut)
@requires(Scope.AGENT)
async def acknowledge(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """Say that the work has begun: from now on the attempt counts. The lease is renewed."""
    [done] = await coalescer.acknowledge([_hold(request, intent_id)])
    return await _answer(request, intent_id, done)


@router.post("/{intent_id}/extend", response=HeldOut)
@requires(Scope.AGENT)
async def extend(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """Renew the lease, also one that ran out and that nobody else was given."""
    hold = _hold(request, intent_id)
    # The statement looks at leases alone: whose the intent is, and that it has ended, is told here.
    row = await reading.find(intent_id, request.auth)
    if not (reading.is_handler(row, request.auth) or request.auth.is_admin):
        raise NotYours
    hold.agent_id = row["recipient_id"]
    [done] = await coalescer.extend([hold])
    if done.outcome is Outcome.LEASE_LOST and row["status"] in TERMINAL:
        raise IntentTerminal
    return await _answer(request, intent_id, done)


@router.post("/{intent_id}/release", response=HeldOut)
@requires(Scope.AGENT)
async def release(request: AgentRequest, intent_id: UUID, body: ReleaseIn | None = None) -> HttpResponse:
    """Give the delivery back unfinished; with `error`, because this attempt has failed. The attempt counts."""
    asked = body or ReleaseIn()
    hold = _hold(request, intent_id)
    details = {} if asked.error is None else {"error": agent_error(asked.error, retryable=True)}
    [done] = await coalescer.release([Release(hold, "released", asked.delay_seconds, details)])
    answered = await _answer(request, intent_id, done)
    if asked.error is not None:
        await coalescer.exhaust()
    return answered


def _hold(request: AgentRequest, intent_id: UUID) -> Hold:
    hold = hold_of(request, intent_id, as_agent=not request.auth.is_admin, has_session=False)
    if hold.token is None:
        raise Invalid("X-Perdure-Lease is needed: the lease token of the delivery")
    return hold


async def _answer(request: AgentRequest, intent_id: UUID, done: Done) -> HttpResponse:
    if done.outcome is Outcome.FORBIDDEN:
        await _refuse(request, intent_id)
    done.outcome.check()
    return answer({"ok": True, "intent_id": intent_id})


async def _refuse(request: AgentRequest, intent_id: UUID) -> NoReturn:
    """Tell somebody else's agent no more than it may know."""
    await reading.check_visible(intent_id, request.auth)
    raise NotYours
