"""How events look on a timeline: what people call them, their shape, and what of their details is worth a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from intents import chapters, story
from intents.dossier import Happening
from intents.lifecycle import TERMINAL_EVENTS, EventType, WaitingReason

#: kind -> what is drawn in a box of 16 by 16; each kind also has a colour (css/timeline.css)
MARKERS: Final[dict[str, str]] = {
    # a ring
    "born": "M8 3.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zm0 1.8a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4z",
    # an arrow that comes in
    "handed": "M3.5 3 13 8l-9.5 5z",
    # a disc
    "work": "M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
    # a diamond
    "saved": "M8 2.2 13.8 8 8 13.8 2.2 8z",
    # two bars
    "waits": "M4 3.5h3v9H4zM9 3.5h3v9H9z",
    # an arrow that goes back
    "back": "M12.5 3 3 8l9.5 5z",
    # a small square
    "note": "M5 5h6v6H5z",
    # a check, a cross, a dash and a clock in discs
    "done": "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm3.9 4.9-4.6"
    " 4.7a.7.7 0 0 1-1 0L4.1 8.9l1-1 1.7 1.7 4.1-4.2z",
    "bad": "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm3 8.4-1.1 1.1L8"
    " 9.1 6.1 11 5 9.9 6.9 8 5 6.1 6.1 5 8 6.9 9.9 5 11 6.1 9.1 8z",
    "off": "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM4.5 7.2h7v1.6h-7z",
    "late": "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zm-.7 3h1.4v3.2l2.4 1.5-.7 1.2-3.1-1.9z",
}

_WAITS_FOR = {
    WaitingReason.HUMAN: "a person",
    WaitingReason.TOOL: "a tool",
    WaitingReason.AGENT: "another agent",
    WaitingReason.TIME: "a point in time",
}
#: What is said in the line itself, and need not be shown again as JSON.
_SAID = frozenset(
    {"delivery_attempt", "redelivery", "returned", "released", "delay_seconds", "redelivered_by"}
)


@dataclass(frozen=True, slots=True)
class EventView:
    """An event, ready to be drawn."""

    seq: int
    title: str
    #: in the words of whoever did it
    note: str
    kind: str
    type: str
    at: datetime
    actor: str
    #: the actor as the history has it
    address: str
    gap_step: int
    gap: str
    is_silence: bool
    details: dict[str, Any]
    child_id: str
    left_out: int

    @property
    def marker(self) -> str:
        return MARKERS[self.kind]

    @property
    def clock(self) -> str:
        """The time of day, to the millisecond."""
        return f"{self.at.astimezone(UTC):%H:%M:%S}.{self.at.microsecond // 1000:03}"

    @property
    def day(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%d}"

    @property
    def iso(self) -> str:
        return self.at.astimezone(UTC).isoformat()


def view(event: Happening, max_attempts: int) -> EventView:
    """The event as the timeline shows it."""
    kind, title, note = _told(event, max_attempts)
    seconds = event.gap.total_seconds() if event.gap is not None else 0.0
    details = event.details
    child = details.get("child_intent_id")
    return EventView(
        seq=event.seq,
        title=title,
        note=story.quote(note),
        kind=kind,
        type=event.type,
        at=event.at,
        actor=story.who(event.actor),
        address=event.actor,
        gap_step=chapters.gap_step(seconds),
        gap=f"+{story.lasting(seconds)}" if seconds >= chapters.SHORTEST_SECONDS else "",
        is_silence=seconds >= chapters.SILENCE_SECONDS,
        details={} if details.keys() <= _SAID else details,
        child_id=child if isinstance(child, str) else "",
        left_out=event.left_out,
    )


def _told(event: Happening, max_attempts: int) -> tuple[str, str, str]:
    """Kind, title and note of an event."""
    said = event.details
    if event.type in (EventType.DELIVERED, EventType.IN_PROGRESS):
        return _progress(said, max_attempts)
    if event.type in TERMINAL_EVENTS:
        return _ending(EventType(event.type), said)
    match event.type:
        case EventType.CREATED:
            return "born", "Created", ""
        case EventType.SUBMITTED if said.get("returned"):
            return "back", "Handed back before it had started", _text(said.get("reason"))
        case EventType.SUBMITTED:
            return "work", "Submitted", ""
        case EventType.ACKNOWLEDGED:
            return "work", "Acknowledged", ""
        case EventType.WAITING:
            reason = said.get("waiting_reason")
            known = _WAITS_FOR.get(WaitingReason(reason)) if reason in list(WaitingReason) else None
            return "waits", f"Waits for {known or 'something'}", _step(said)
        case EventType.DELIVERY_FAILED:
            return "bad", "The last attempt ended without a result", ""
    return _signal(event.type, said)


def _ending(event: EventType, said: dict[str, Any]) -> tuple[str, str, str]:
    if event is EventType.FAILED:
        error = said.get("error")
        error = error if isinstance(error, dict) else {}
        return "bad", "Failed", _text(error.get("message")) or _text(error.get("code"))
    kind, title = {
        EventType.COMPLETED: ("done", "Completed"),
        EventType.CANCELED: ("off", "Canceled"),
        EventType.TIMED_OUT: ("late", "Timed out"),
    }[event]
    return kind, title, _text(said.get("reason"))


def _signal(event: str, said: dict[str, Any]) -> tuple[str, str, str]:
    match event:
        case EventType.TIMEOUT:
            return "late", "The step's time is over", _step(said)
        case EventType.REMINDER:
            return "note", "Reminded", _step(said)
        case EventType.ESCALATED:
            return "note", f"Escalated to {_text(said.get('escalated_to')) or 'somebody'}", _step(said)
        case EventType.TRANSFER if "notification" in said:
            return "note", "Notification recorded", _step(said)
        case EventType.TRANSFER if "check" in said:
            return "note", "Check passed", _step(said)
    return "note", event.removeprefix("intent.").replace("_", " ").capitalize(), ""


def _progress(said: dict[str, Any], max_attempts: int) -> tuple[str, str, str]:
    attempt = said.get("delivery_attempt")
    saved = said.get("checkpoint")
    if isinstance(saved, dict):
        size = saved.get("size")
        return (
            "saved",
            f"Checkpoint {_text(saved.get('step'))}",
            f"{size:,} bytes" if isinstance(size, int) else "",
        )
    if isinstance(said.get("usage"), dict):
        return "note", "Usage", _usage(said["usage"])
    if said.get("returned"):
        return "back", "Handed back before it had started", _text(said.get("reason"))
    if (by := said.get("redelivered_by")) is not None:
        return "back", "Taken back, to be delivered again", f"by {story.who(_text(by))}"
    if said.get("released"):
        delay = said.get("delay_seconds")
        again = f"due again in {story.lasting(delay)}" if isinstance(delay, int | float) and delay else ""
        return "back", "Given back", again
    if isinstance(attempt, int):
        return "handed", f"Handed over, attempt {attempt} of {max_attempts}", ""
    if "child_intent_id" in said:
        return "handed", f"Step {_text(said.get('step_id'))} begins", ""
    if said.get("resumed"):
        return "work", "Resumed", _text(said.get("reason"))
    return "work", "In progress", _step(said)


def _usage(said: dict[str, Any]) -> str:
    cost, tokens, model = said.get("cost_usd"), said.get("tokens"), said.get("model")
    parts = [
        f"${cost:,.4f}" if isinstance(cost, int | float) else "",
        f"{tokens:,} tokens" if isinstance(tokens, int) else "",
        _text(model),
    ]
    return ", ".join(part for part in parts if part)


def _step(said: dict[str, Any]) -> str:
    step = said.get("step_id")
    return f"step {step}" if isinstance(step, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
