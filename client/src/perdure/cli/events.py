"""Events of an intent's life as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.cli.text import duration, line, moment, shortened, size

#: Longer than this, a reason or an error is told by `intents get`.
LONGEST_REMARK = 200


def clock(event: Mapping[str, Any]) -> str:
    """The time of day of an event, on the clock of this machine's user."""
    at = moment(event.get("at"))
    return at.astimezone().strftime("%H:%M:%S.%f")[:-3] if at else ""


def name(event: Mapping[str, Any]) -> str:
    """What happened, in a word."""
    return line(event.get("event_type")).removeprefix("intent.")


def remark(event: Mapping[str, Any]) -> str:
    """What else there is to say about it."""
    details = event.get("details")
    return shortened("; ".join(_remarks(event, details if isinstance(details, dict) else {})), LONGEST_REMARK)


def _remarks(event: Mapping[str, Any], details: Mapping[str, Any]) -> Iterator[str]:
    yield from _work(details)
    yield from _attempt(details)
    if step := details.get("step_id"):
        yield f"step {line(step)}"
    yield from _waiting({**event, **details})
    if error := details.get("error"):
        yield _error(error)
    if reason := details.get("reason"):
        yield line(reason)
    if name(event) in {"submitted", "canceled"} and (actor := event.get("actor")):
        yield f"by {line(actor)}"


def _work(details: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(checkpoint := details.get("checkpoint"), dict):
        yield f"checkpoint {line(checkpoint.get('step'))} ({size(checkpoint.get('size'))})"
    if isinstance(usage := details.get("usage"), dict):
        yield ", ".join(f"{key} {line(value)}" for key, value in usage.items())


def _attempt(details: Mapping[str, Any]) -> Iterator[str]:
    if attempt := details.get("delivery_attempt"):
        yield f"{'delivered again, ' if details.get('redelivery') else ''}attempt {line(attempt)}"
    if details.get("returned"):
        yield "given back before its agent had started"
    elif details.get("released"):
        yield "released by its agent"
    if isinstance(delay := details.get("delay_seconds"), int | float) and delay:
        yield f"again in {duration(delay)}"


def _waiting(said: Mapping[str, Any]) -> Iterator[str]:
    if waiting := said.get("waiting_reason"):
        yield f"for {line(waiting).removeprefix('WAITING_FOR_').lower()}"
    if pending := _party(said.get("pending_with")):
        yield f"pending with {pending}"
    if isinstance(task := said.get("human_task"), dict):
        yield f"task: {line(task.get('title'))}"
    if escalated := said.get("escalated_to"):
        yield f"escalated to {line(escalated)}"


def _party(party: Any) -> str:
    if isinstance(party, dict):
        party = party.get("name") or party.get("ref")
    return line(party).rpartition("/")[2] if party else ""


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return line(error)
    return ": ".join(line(error[key]) for key in ("code", "message") if error.get(key)) or line(error)
