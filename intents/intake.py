"""From what a client sends to what is recorded: one way in for single requests, batches and websocket frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.conf import settings
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from agents import addresses
from agents.addresses import Recipient
from agents.caller import Caller
from agents.errors import ApiError, Invalid, PayloadTooLarge
from agents.ids import uuid7
from agents.moments import Moment
from intents import coalescer, policing
from intents.errors import IdempotencyConflict
from intents.operations import document
from intents.records import Submission, Submitted
from intents.tracing import is_traceparent

LONGEST_ADDRESS = 383
SHORTEST_TTL, LONGEST_TTL = 60, 604_800
#: The largest numbers that the database keeps.
LARGEST_INTEGER = 2**31 - 1
#: What an intent may have in a request of its own, it may have in a batch.
LARGEST_INTENT = 128 * 1024


class IntentIn(BaseModel):
    """An intent as it is asked for. Fields that are not known here are kept with it."""

    model_config = ConfigDict(extra="allow")

    intent_type: str = Field(pattern=r"^[a-z0-9_]+(?:\.[a-z0-9_]+)+\.v[0-9]+$", max_length=255)
    to_agent: str = Field(max_length=LONGEST_ADDRESS)
    correlation_id: UUID | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    from_agent: str | None = Field(default=None, max_length=LONGEST_ADDRESS)
    reply_to: str | None = Field(default=None, min_length=3, max_length=LONGEST_ADDRESS)
    deadline_at: Moment | None = None
    ttl_seconds: int | None = Field(default=None, ge=SHORTEST_TTL, le=LONGEST_TTL, strict=True)
    remind_after_seconds: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER, strict=True)
    remind_interval_seconds: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER, strict=True)
    max_reminders: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER, strict=True)
    escalate_to: str | None = Field(default=None, max_length=LONGEST_ADDRESS)
    max_delivery_attempts: int = Field(default=3, ge=1, le=1_000, strict=True)
    human_task: dict[str, Any] | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)
    traceparent: str | None = None

    @field_validator("idempotency_key")
    @classmethod
    def _printable(cls, key: str | None) -> str | None:
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError("must be printable ASCII")
        return key

    @field_validator("traceparent")
    @classmethod
    def _is_traceparent(cls, text: str | None) -> str | None:
        if text is not None and not is_traceparent(text):
            raise ValueError("is no traceparent of W3C Trace Context")
        return text

    @model_validator(mode="after")
    def _one_end(self) -> IntentIn:
        if self.deadline_at is not None and self.ttl_seconds is not None:
            raise ValueError("give deadline_at or ttl_seconds, not both")
        return self


#: What an intent has a column for; all else goes to its attributes.
_COLUMNS = frozenset(IntentIn.model_fields) - {
    "remind_after_seconds",
    "remind_interval_seconds",
    "max_reminders",
    "escalate_to",
    "traceparent",
}


async def prepare(
    bodies: Sequence[Any],
    caller: Caller,
    *,
    path: str = "/v1/intents",
    key: str | None = None,
    trace: str | None = None,
) -> list[Submission | ApiError]:
    """What is to be recorded for each of these, or why it cannot be: one bad one does not spoil the others.

    `trace` is what they belong to that do not name their own.
    """
    asked = [_checked(body) for body in bodies]
    wanted = [each.to_agent for each in asked if isinstance(each, IntentIn)]
    recipients = await addresses.resolve_many(wanted, caller=caller)
    prepared: list[Submission | ApiError] = []
    for body, each in zip(bodies, asked, strict=True):
        if isinstance(each, ApiError):
            prepared.append(each)
            continue
        try:
            recipient = recipients[each.to_agent]
            if isinstance(recipient, ApiError):
                raise recipient
            _check_reach(each, caller)
            named = key or each.idempotency_key
            prepared.append(_submission(body, each, recipient, caller, path, named, trace))
        except ApiError as error:
            prepared.append(error)
    return prepared


def _check_reach(asked: IntentIn, caller: Caller) -> None:
    """Refuse an intent that names somebody outside the caller's organization for later. A role may escalate, too.

    Raises:
        AgentNotFound, InvalidAgentAddress: it does, or names what nobody can be.
    """
    if asked.reply_to is not None:
        addresses.parse(asked.reply_to).within(caller)
    if asked.escalate_to is not None and "/" in asked.escalate_to:
        addresses.parse(asked.escalate_to).within(caller)


def _checked(body: Any) -> IntentIn | ApiError:
    try:
        asked = IntentIn.model_validate(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        first = problems[0]
        where = ".".join(str(part) for part in first["loc"])
        return Invalid(f"{where}: {first['msg']}" if where else first["msg"], details={"errors": problems})
    if asked.human_task is not None:
        return Invalid("human_task: steps for humans are not served yet", details={"errors": []})
    return asked


def _submission(
    body: dict[str, Any],
    asked: IntentIn,
    recipient: Recipient,
    caller: Caller,
    path: str,
    key: str | None,
    trace: str | None,
) -> Submission:
    intent_id = uuid7()
    correlation_id = asked.correlation_id or uuid7()
    attributes = {name: value for name, value in body.items() if name not in _COLUMNS and value is not None}
    if trace is not None:
        attributes.setdefault("traceparent", trace)
    payload, kept = document(asked.payload), document(attributes) if attributes else "{}"
    if len(payload) + len(kept) > LARGEST_INTENT:
        raise PayloadTooLarge(f"the intent is larger than {LARGEST_INTENT} bytes")
    ttl = asked.ttl_seconds
    if ttl is None and asked.deadline_at is None:
        ttl = settings.PERDURE_DEFAULT_INTENT_TTL_SECONDS
    return Submission(
        id=intent_id,
        organization_id=caller.organization_id,
        workspace_id=recipient.workspace_id,
        recipient_id=recipient.agent_id,
        sender_id=caller.agent_id,
        intent_type=asked.intent_type,
        correlation_id=correlation_id,
        to_agent=recipient.address,
        from_agent=(asked.from_agent or caller.address) if caller.is_admin else caller.address,
        actor=caller.address,
        payload=payload,
        attributes=kept,
        reply_to=asked.reply_to,
        deadline_at=asked.deadline_at,
        ttl_seconds=ttl,
        remind_after_seconds=asked.remind_after_seconds,
        max_delivery_attempts=asked.max_delivery_attempts,
        idempotency_key=key,
        path=path,
        request_hash=_hash(body) if key else b"",
        response={
            "ok": True,
            "intent_id": intent_id,
            "status": "SUBMITTED",
            "correlation_id": correlation_id,
            "to_agent": recipient.address,
            **({} if recipient.is_registered else {"warnings": [f"{recipient.address} is not registered"]}),
        },
    )


def _hash(body: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


async def record(prepared: Sequence[Submission]) -> list[dict[str, Any] | ApiError]:
    """Record these in one go; the answer to each, as a client gets it.

    Raises:
        DatabaseUnavailable: nothing is known to have been recorded.
    """
    answers = await coalescer.current().submit.each(prepared)
    return [_answer(each, answer) for each, answer in zip(prepared, answers, strict=True)]


def _answer(asked: Submission, answer: Submitted | psycopg.Error) -> dict[str, Any] | ApiError:
    if isinstance(answer, psycopg.Error):
        return Invalid("the intent holds something that cannot be stored")
    match answer.outcome:
        case "done":
            return {**asked.response, "created_at": _timestamp(answer.created_at)}
        case "repeated":
            return {**(answer.response or {}), "created_at": _timestamp(answer.created_at)}
        case "conflict":
            return IdempotencyConflict()
        case _:
            return policing.refusal_of(answer, asked) or Invalid("deadline_at is in the past")


@lru_cache(maxsize=64)  # all that one statement records has the same
def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def in_order(
    prepared: Sequence[Submission | ApiError], answers: Sequence[dict[str, Any] | ApiError]
) -> Iterator[tuple[Submission | ApiError, dict[str, Any] | ApiError]]:
    """Each that was asked for, with its answer, in the order asked."""
    recorded = iter(answers)
    for each in prepared:
        yield each, each if isinstance(each, ApiError) else next(recorded)
