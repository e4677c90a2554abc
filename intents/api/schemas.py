"""What the API of intents takes and gives.

Plain pydantic models: ninja's own would look at each field through a getter. Unknown fields of requests are accepted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: PostgreSQL's integer.
INTEGER = 2**31 - 1

Generation = Annotated[int, Field(ge=0, le=INTEGER, strict=True)]


class BatchIn(BaseModel):
    """Up to 500 intents, each validated and answered by itself; each may have an `idempotency_key`."""

    intents: Annotated[list[Any], Field(min_length=1, max_length=500)]


class ResolveIn(BaseModel):
    """How an intent ends."""

    status: Literal["COMPLETED", "FAILED", "CANCELED"]
    result: Any = None
    error: dict[str, Any] | None = None
    reason: Annotated[str, Field(max_length=2000)] | None = None
    actor: Annotated[str, Field(max_length=255)] | None = None


class Steering(BaseModel):
    """What all changes of an open intent's settings may say about themselves."""

    actor: Annotated[str, Field(max_length=255)] | None = None
    reason: Annotated[str, Field(max_length=2000)] | None = None
    expected_policy_generation: Generation | None = None
    internal_scheduler: bool | None = None


class ControlResumeIn(Steering):
    """Go on with an intent that is blocked or waits. It does not end it."""

    approve_current_step: bool = True


class ControlsIn(Steering):
    """A patch to an intent's controls; null removes a key."""

    controls_patch: dict[str, Any]


class PolicyIn(Steering):
    """A patch to an intent's grants and envelope; null removes a key."""

    grants_patch: dict[str, Any] | None = None
    envelope_patch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _something(self) -> PolicyIn:
        if self.grants_patch is None and self.envelope_patch is None:
            raise ValueError("grants_patch or envelope_patch is needed")
        return self


class RetryIn(BaseModel):
    """How an intent is repeated."""

    checkpoints: Annotated[bool, Field(strict=True)] = True


class ReleaseIn(BaseModel):
    """How a delivery is given back: for a while, or because its attempt has failed."""

    delay_seconds: Annotated[float, Field(ge=0, le=7 * 24 * 3600)] = 0
    error: dict[str, Any] | Annotated[str, Field(max_length=2000)] | None = None


class BulkCancelIn(BaseModel):
    """Which open intents of the workspace to cancel; a dry run unless told otherwise."""

    older_than_hours: Annotated[float, Field(ge=0.1, le=1_000_000)] = 24
    status_filter: Annotated[list[str], Field(min_length=1, max_length=20)] = Field(
        default=["DELIVERED", "WAITING", "IN_PROGRESS", "SUBMITTED"]
    )
    dry_run: bool = True
    reason: Annotated[str, Field(max_length=2000)] | None = None
    limit: Annotated[int, Field(ge=1, le=5000, strict=True)] = 500


# -- answers: what OpenAPI says of them ---------------------------------------------------------------------------


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")

    ok: Literal[True] = True


class SubmittedOut(Answer):
    """An intent that is on disk."""

    intent_id: UUID
    status: str
    created_at: datetime
    correlation_id: UUID
    to_agent: str
    warnings: list[str] = []


class BatchOut(Answer):
    """One answer for each intent, in the order asked."""

    results: list[dict[str, Any]]


class IntentOut(Answer):
    """An intent; its main fields are repeated at the top level."""

    intent: dict[str, Any]
    intent_id: UUID
    status: str
    lifecycle_status: str


class IntentsOut(Answer):
    """A page of intents, newest first; `next_cursor` if there may be more."""

    intents: list[dict[str, Any]]
    next_cursor: str | None = None


class CheckpointOut(Answer):
    """A checkpoint, with its value: one's own, or the one that was there before."""

    created: bool
    checkpoint: dict[str, Any]


class CheckpointsOut(Answer):
    """What has been saved of an intent's work."""

    checkpoints: list[dict[str, Any]]
    checkpoint_count: int


class ReportedOut(Answer):
    """A usage report that is part of the history."""

    intent_id: UUID
    seq: int


class HeldOut(Answer):
    """What was said of the delivery is recorded."""

    intent_id: UUID


class EventsOut(Answer):
    """An intent's history."""

    events: list[dict[str, Any]]


class EndedOut(Answer):
    """An intent that has just been ended."""

    intent: dict[str, Any]
    event: dict[str, Any]
    completion_delivery: dict[str, Any]


class ResumedOut(Answer):
    """What resuming came to: the end of the intent, or going on with it."""

    intent: dict[str, Any]
    event: dict[str, Any] | None = None
    applied: bool | None = None
    policy_generation: int | None = None
    completion_delivery: dict[str, Any] | None = None


class SteeredOut(Answer):
    """Settings of an intent after a patch."""

    applied: bool
    intent_id: UUID
    policy_generation: int


class BulkCanceledOut(Answer):
    """Which intents were, or would be, canceled."""

    dry_run: bool
    intent_ids: list[UUID]
    would_cancel: int | None = None
    canceled: int | None = None


class RedeliveryOut(Answer):
    """An intent that is due now."""

    intent_id: UUID


class RetriedOut(SubmittedOut):
    """The new intent."""

    retry_of: UUID
