"""The frames of the agents' websocket, as data: what may come in, checked, and what goes out.

Each is one JSON object with a `type`. docs/websocket.md tells the same to those who write clients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from intents import checkpoints
from intents.records import Lease
from intents.usage import Usage

#: The largest frame either side may send, in bytes.
LARGEST_FRAME = 256 * 1024
#: The most deliveries or intents that one frame may name.
MOST_NAMED = 500
#: The most deliveries one connection may hold unfinished.
MOST_IN_FLIGHT = 10_000
Ref = Annotated[str | int | None, Field(union_mode="smart")]


class CloseCode:
    """Why the server closes. 1003, 1009 and 1012 are those of RFC 6455; the rest is ours."""

    UNSUPPORTED_DATA = 1003
    TOO_BIG = 1009
    RESTARTING = 1012
    TRY_AGAIN = 1013
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    UNKNOWN_AGENT = 4404
    TOO_SLOW = 4408
    REVOKED = 4410


class BadFrame(Exception):
    """The frame cannot be acted on; `code` and the message say why."""

    def __init__(self, code: str, message: str, ref: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.ref = ref if isinstance(ref, (str, int)) else None


class Frame(BaseModel):
    """What all frames have."""

    model_config = ConfigDict(extra="ignore")
    ref: Ref = None


class Named(BaseModel):
    """A delivery, by its intent and the lease it is held under."""

    model_config = ConfigDict(extra="ignore")
    intent_id: UUID
    lease: UUID


class Completed(Named):
    result: Any = None


class Failed(Named):
    error: dict[str, Any] | str | None = None
    retryable: bool = False


class Released(Named):
    delay: float = Field(default=0, ge=0, le=7 * 24 * 3600)


class Hello(Frame):
    type: Literal["hello"]
    address: str | None = Field(default=None, max_length=383)
    max_in_flight: int | None = Field(default=None, ge=1, le=MOST_IN_FLIGHT)
    client: str = Field(default="", max_length=200)


class Submit(Frame):
    type: Literal["submit"]
    intents: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_NAMED)
    #: Send the outcome of each when it has ended.
    watch: bool = False


class WatchIntents(Frame):
    type: Literal["watch"]
    intents: list[UUID] = Field(min_length=1, max_length=MOST_NAMED)


class Acknowledge(Frame):
    type: Literal["acknowledge"]
    deliveries: list[Named] = Field(min_length=1, max_length=MOST_NAMED)


class Complete(Frame):
    type: Literal["complete"]
    deliveries: list[Completed] = Field(min_length=1, max_length=MOST_NAMED)


class Fail(Frame):
    type: Literal["fail"]
    deliveries: list[Failed] = Field(min_length=1, max_length=MOST_NAMED)


class ReleaseFrame(Frame):
    type: Literal["release"]
    deliveries: list[Released] = Field(min_length=1, max_length=MOST_NAMED)


class Extend(Frame):
    type: Literal["extend"]
    deliveries: list[Named] = Field(min_length=1, max_length=MOST_NAMED)


class Saving(BaseModel):
    """A step to be saved. What its value may be is judged by itself, not with the frame."""

    model_config = ConfigDict(extra="ignore")
    intent_id: UUID
    lease: UUID | None = None
    step: str
    content_type: str | None = None
    value: Any = None
    value_base64: str | None = None

    def fields(self) -> dict[str, Any]:
        """What says the value: of `value` it counts that it is there, even if it is null."""
        return {name: getattr(self, name) for name in self.model_fields_set & _SAYING_A_VALUE}


_SAYING_A_VALUE = {"content_type", "value", "value_base64"}


class Checkpoint(Frame):
    type: Literal["checkpoint"]
    items: list[Saving] = Field(min_length=1, max_length=MOST_NAMED)


class Reported(Usage):
    intent_id: UUID
    lease: UUID | None = None


class Report(Frame):
    type: Literal["report"]
    items: list[Reported] = Field(min_length=1, max_length=MOST_NAMED)


class Heartbeat(Frame):
    type: Literal["heartbeat"]


class Pong(Frame):
    type: Literal["pong"]


Incoming = (
    Hello
    | Submit
    | WatchIntents
    | Acknowledge
    | Complete
    | Fail
    | ReleaseFrame
    | Extend
    | Checkpoint
    | Report
    | Heartbeat
    | Pong
)
_FRAMES: dict[str, TypeAdapter[Any]] = {
    "hello": TypeAdapter(Hello),
    "submit": TypeAdapter(Submit),
    "watch": TypeAdapter(WatchIntents),
    "acknowledge": TypeAdapter(Acknowledge),
    "complete": TypeAdapter(Complete),
    "fail": TypeAdapter(Fail),
    "release": TypeAdapter(ReleaseFrame),
    "extend": TypeAdapter(Extend),
    "checkpoint": TypeAdapter(Checkpoint),
    "report": TypeAdapter(Report),
    "heartbeat": TypeAdapter(Heartbeat),
    "pong": TypeAdapter(Pong),
}
#: Frames about deliveries have one at the top level, or many under this name.
_MANY = {
    **dict.fromkeys(("acknowledge", "complete", "fail", "release", "extend"), "deliveries"),
    **dict.fromkeys(("checkpoint", "report"), "items"),
}


def parse(content: Any) -> Incoming:
    """The frame that this JSON value is.

    Raises:
        BadFrame: it is none.
    """
    if not isinstance(content, dict):
        raise BadFrame("invalid_frame", "a frame is a JSON object")
    ref, kind = content.get("ref"), content.get("type")
    if not isinstance(kind, str):
        raise BadFrame("invalid_frame", "a frame has a type, a string", ref)
    if (adapter := _FRAMES.get(kind)) is None:
        raise BadFrame("unknown_frame", f"there is no frame of type {kind[:64]!r}", ref)
    if (many := _MANY.get(kind)) is not None and many not in content:
        content = {"type": kind, "ref": ref, many: [content]}
    try:
        frame: Incoming = adapter.validate_python(content)
    except ValidationError as error:
        raise BadFrame("invalid_frame", _readable(error), ref) from None
    return frame


def readable_ref(content: bytes) -> str | int | None:
    """The ref of a frame that is refused before it is understood: what is wrong may be elsewhere in it."""
    try:
        ref = json.loads(content)["ref"]
        orjson.dumps(ref)  # what cannot be said again is left out
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return ref if isinstance(ref, (str, int)) and not isinstance(ref, bool) else None


def about(frame: Incoming) -> list[UUID]:
    """The intents that a frame about deliveries is about; none for all others."""
    match frame:
        case Checkpoint() | Report():
            return [item.intent_id for item in frame.items]
        case Acknowledge() | Complete() | Fail() | ReleaseFrame() | Extend():
            return [named.intent_id for named in frame.deliveries]
        case _:
            return []


def _readable(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def delivery(lease: Lease) -> bytes:
    """One delivery as the client gets it."""
    return orjson.dumps(
        {
            "intent_id": lease.intent_id,
            "lease": lease.lease_token,
            "attempt": lease.attempt,
            "max_attempts": lease.max_attempts,
            "redelivery": lease.attempt > 1 or lease.returns > 0,
            "seq": lease.cursor,
            "status": lease.status,
            "intent_type": lease.intent_type,
            "from_agent": lease.from_agent,
            "to_agent": lease.to_agent,
            "correlation_id": lease.correlation_id,
            "created_at": lease.created_at,
            "payload": orjson.Fragment(lease.payload),
            "checkpoint_count": lease.checkpoint_count,
            "checkpoints": checkpoints.within(lease.checkpoints, checkpoints.IN_FRAME),
            **({"traceparent": lease.traceparent} if lease.traceparent else {}),
        },
        option=orjson.OPT_UTC_Z,
    )


def batches(kind: str, name: str, items: list[bytes]) -> Iterator[str]:
    """As few frames of this kind as carry all items, none larger than a frame may be."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (size + len(item) > LARGEST_FRAME - 1024 or len(batch) == MOST_NAMED):
            yield _batch(kind, name, batch)
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield _batch(kind, name, batch)


def _batch(kind: str, name: str, items: list[bytes]) -> str:
    return (b'{"type":"%b","%b":[%b]}' % (kind.encode(), name.encode(), b",".join(items))).decode()
