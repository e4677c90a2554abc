"""How an intent comes to its end, or goes on: resolve and resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pydantic
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from ninja import Router

from agents import documents
from agents.access import requires
from agents.caller import Caller
from agents.errors import Conflict, Invalid
from agents.models import Scope
from agents.postgres import in_thread
from intents import auditing, coalescer, ledger, reading
from intents.api.requests import AgentRequest, answer, check_owner, hold_of, plain
from intents.api.schemas import ControlResumeIn, EndedOut, ResolveIn, ResumedOut
from intents.controls import check_generation
from intents.errors import NotYours, Outcome
from intents.lifecycle import EventType, Status, WaitingReason
from intents.records import Done, Ending, Row, Wake
from intents.wire import Body, ended_body, ending_event, intent_body, timestamp

router = Router(tags=["intents"])

#: An agent's word for a result that is a failure.
FAILURES = frozenset({"fail", "failed", "error"})
#: Its word for one that is a failure only where its scenario has an answer to it.
REJECTIONS = frozenset({"reject", "rejected"})
#: A body with nothing but these goes on with the intent instead of ending it.
CONTROL_FIELDS = frozenset(ControlResumeIn.model_fields)
ENDINGS = {
    "COMPLETED": EventType.COMPLETED,
    "FAILED": EventType.FAILED,
    "CANCELED": EventType.CANCELED,
}
ANY_BODY: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {}}}}}


class NotWaitingForHuman(Conflict):
    """A person's result for an intent that asks for none."""

    code = "not_waiting_for_human"
    message = "the intent does not wait for a person"


@router.post("/{intent_id}/resolve", response=EndedOut)
@requires(Scope.AGENT, Scope.SUBMIT, Scope.OPERATE)
async def resolve_intent(request: AgentRequest, intent_id: UUID, body: ResolveIn) -> HttpResponse:
    """End an intent: complete, fail or cancel it. What has ended stays as it ended."""
    check_owner(request)
    row = await _writable(intent_id, request)
    as_agent = reading.is_handler(row, request.auth)
    details: Body = {}
    match body.status:
        case "COMPLETED" if body.result is not None:
            details["result"] = body.result
        case "FAILED":
            details["error"] = (
                body.error if body.error is not None else _error("resolved_as_failed", body.reason)
            )
        case "CANCELED":
            details["reason"] = body.reason or ""
    if body.reason is not None:
        details["reason"] = body.reason
    if body.actor is not None:
        details["actor"] = body.actor  # what the caller says; who it was is the event's own actor
    # An administrator who gives a result may be listening for the agent; who cancels is not.
    has_session = as_agent or (request.auth.is_admin and body.status != "CANCELED")
    hold = hold_of(request, intent_id, as_agent=as_agent, has_session=has_session)
    done = await _finish(request.auth, row, Ending(hold, ENDINGS[body.status], details))
    answered = _ended(done, details)
    answered["intent"]["payload"] = orjson.Fragment(row["payload"])
    return answer(answered)


@router.post("/{intent_id}/resume", response=ResumedOut, openapi_extra=ANY_BODY)
@requires(Scope.AGENT, Scope.SUBMIT, Scope.OPERATE)
@plain
async def resume_intent(request: AgentRequest, intent_id: UUID) -> HttpResponse:
    """Give an agent's result, which ends the intent; or go on with one that is blocked; or give a person's result.

    The body tells which: `task_result` (or `outcome`, where a person is waited for), nothing but control fields, or
    anything else, which is the agent's result.
    """
    check_owner(request)
    body: Any = documents.parse(request.body) if request.body else {}
    if isinstance(body, dict):
        if body.keys() <= CONTROL_FIELDS:
            return answer(await _go_on(request, intent_id, _control(body)))
        if "task_result" in body or "outcome" in body:
            await _check_human(request, intent_id, body)
    return answer(await _agent_result(request, intent_id, body))


async def _agent_result(request: AgentRequest, intent_id: UUID, body: Any) -> Body:
    """One statement when it is the agent's own, which is nearly always."""
    caller = request.auth
    action = str(body.get("action", "")).lower() if isinstance(body, dict) else ""
    if action in FAILURES or (action in REJECTIONS and await _fails_on_rejection(request, intent_id)):
        kind, details = EventType.FAILED, {"error": _failure(body)}
    else:
        kind, details = EventType.COMPLETED, {"result": body if isinstance(body, dict) else {"result": body}}
    if caller.permits(Scope.AGENT):  # which an administrator's key does for every agent of its organization
        hold = hold_of(request, intent_id, as_agent=not caller.is_admin, has_session=True)
        [done] = await coalescer.finish([Ending(hold, kind, details, via_progress=True)])
        if done.outcome is not Outcome.FORBIDDEN:
            done.outcome.check()
            return _ended(done, details)
    row = await _writable(intent_id, request)
    hold = hold_of(request, intent_id, as_agent=False)
    return _ended(await _finish(caller, row, Ending(hold, kind, details, via_progress=True)), details)


async def _fails_on_rejection(request: AgentRequest, intent_id: UUID) -> bool:
    """Whether a rejection fails this intent: it is a step of a scenario that says what then, or asks for approval."""
    row = await _writable(intent_id, request)
    return bool(row["attributes"].get("fails_on_rejection"))


async def _go_on(request: AgentRequest, intent_id: UUID, asked: ControlResumeIn) -> Body:
    """Set an intent in progress, whatever it waited for. That ends nothing, and may be repeated."""
    row = await _writable(intent_id, request)
    generation = row["policy_generation"]
    check_generation(generation, asked.expected_policy_generation)
    details: Body = {"resumed": True}
    if asked.reason is not None:
        details["reason"] = asked.reason
    if asked.actor is not None:
        details["actor"] = asked.actor
    # What waited is owed to its agent again, unless it is a scenario's: those move by their steps.
    is_owed = row["status"] == Status.WAITING and row["current_step"] is None and row["scenario_id"] is None
    hold = hold_of(request, intent_id, as_agent=False, has_session=False)
    done = await _wake(request.auth, row, Wake(hold, details, is_owed=is_owed))
    event = {
        "intent_id": intent_id,
        "seq": done.seq,
        "event_type": EventType.IN_PROGRESS,
        "status": Status.IN_PROGRESS,
        "at": timestamp(done.row["at"]),
        "actor": request.auth.address,
        "details": details,
    }
    moved = {
        "status": Status.IN_PROGRESS,
        "waiting_reason": None,
        "seq": done.seq,
        "updated_at": done.row["at"],
    }
    return {
        "ok": True,
        "applied": True,
        "policy_generation": generation,
        "intent": intent_body(row | moved),
        "event": event,
    }


async def _check_human(request: AgentRequest, intent_id: UUID, body: Body) -> None:
    """Refuse a person's result for an intent that asks for none. An `outcome` may be just a word of an agent's.

    Raises:
        NotWaitingForHuman: it is one.
    """
    row = await _writable(intent_id, request)
    if "task_result" in body or row["waiting_reason"] == WaitingReason.HUMAN:
        raise NotWaitingForHuman


async def _writable(intent_id: UUID, request: AgentRequest) -> Row:
    """The intent, if the caller may decide what becomes of it.

    Raises:
        IntentNotFound: there is none that it may know of.
        NotYours: it may only look.
    """
    row = await reading.find(intent_id, request.auth)
    if not reading.may_end(row, request.auth):
        raise NotYours
    return row


async def _finish(caller: Caller, row: Row, ending: Ending) -> Done:
    if not auditing.is_from_above(row, caller, ending.type):
        return _took_place(await coalescer.finish([ending]))
    return await _noted(caller, row, lambda: ledger.finish([ending]), ending.type, ending.details)


async def _wake(caller: Caller, row: Row, wake: Wake) -> Done:
    if not auditing.is_from_above(row, caller, EventType.CANCELED):
        return _took_place(await coalescer.wake([wake]))
    return await _noted(caller, row, lambda: ledger.wake([wake]), "intent.resumed", wake.details)


async def _noted(caller: Caller, row: Row, do: Callable[[], list[Done]], action: str, details: Body) -> Done:
    """Do it and note it in the audit log, or neither."""

    def both() -> Done:
        with transaction.atomic():
            done = _took_place(do())
            auditing.note(caller, action, row, reason=str(details.get("reason") or ""))
        return done

    return await in_thread(both)


def _took_place(outcomes: list[Done]) -> Done:
    """The only one, if it is no refusal."""
    [done] = outcomes
    done.outcome.check()
    return done


def _ended(done: Done, details: Body) -> Body:
    return {
        "ok": True,
        "intent": ended_body(done.row, details),
        "event": ending_event(done.row, details),
        "completion_delivery": _completion_delivery(done.row),
    }


def _completion_delivery(row: Row) -> Body:
    """What became of telling `reply_to`."""
    if row["reply_to"] is None:
        return {"delivered": False, "reason": "reply_to_not_set"}
    return {"delivered": False, "reason": "inbox_unavailable", "reply_to": row["reply_to"]}


def _control(body: Body) -> ControlResumeIn:
    try:
        return ControlResumeIn.model_validate(body)
    except pydantic.ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(map(str, errors[0]["loc"]))
        raise Invalid(f"{where}: {errors[0]['msg']}", details={"errors": errors}) from None


def _failure(body: Body) -> Body:
    """The protocol's error object for what an agent says of its failure."""
    said = next(
        (body[name] for name in ("message", "error", "reason") if isinstance(body.get(name), str)), None
    )
    return _error("agent_failed", said or "The agent reported a failure.") | {"details": body}


def _error(code: str, message: str | None) -> Body:
    return {
        "code": code,
        "message": message or "The intent was resolved as failed.",
        "category": "internal",
        "retryable": False,
        "at": timestamp(timezone.now()),
    }
