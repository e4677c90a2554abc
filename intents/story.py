"""What a person would say of an intent: one sentence about where it stands. Pure: it is given all that it tells of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from intents.blocking import Blocking, Obstacle
from intents.lifecycle import Status, WaitingReason

#: Of words that other people chose, so much goes into a sentence.
LONGEST_QUOTE = 160
ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()

DEAD_LETTER = "delivery_attempts_exhausted"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an intent stands, as far as a sentence about it needs to know."""

    status: str
    to_agent: str
    created_at: datetime
    attempt: int
    max_attempts: int
    waiting_reason: str | None = None
    blocking: Blocking | None = None
    held_since: datetime | None = None
    held_by: str | None = None
    is_started: bool = False
    checkpoints: int = 0
    current_step: str | None = None
    step_number: int = 0
    steps: int = 0
    waiting_since: datetime | None = None
    deadline_at: datetime | None = None
    #: the event that ended it: when, by whom, and what it says
    ended_at: datetime | None = None
    ended_by: str = ""
    ending: dict[str, Any] = field(default_factory=dict)

    @property
    def agent(self) -> str:
        """The agent, as people call it."""
        return self.to_agent.rpartition("/")[2] or self.to_agent


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in pieces, so that its times can be shown as times."""

    #: running, waiting, blocked, done, bad, off
    tone: str
    parts: tuple[str | datetime, ...]

    def text(self, now: datetime | None = None) -> str:
        """The sentence as plain text, its times in UTC."""
        return "".join(text for text, _ in self.pieces(now))

    def pieces(self, now: datetime | None = None) -> list[tuple[str, datetime | None]]:
        """The pieces as text, and for each time also the time itself."""
        return [(part, None) if isinstance(part, str) else (clock(part, now), part) for part in self.parts]


def tell(standing: Standing) -> Sentence:
    """Say where the intent stands."""
    match standing.status:
        case Status.COMPLETED:
            return Sentence("done", (f"Completed {_effort(standing)}.",))
        case Status.FAILED:
            return _failed(standing)
        case Status.CANCELED:
            return _canceled(standing)
        case Status.TIMED_OUT:
            return _timed_out(standing)
    return _open(standing)


def _open(standing: Standing) -> Sentence:
    why = standing.blocking
    if why is None:
        return Sentence("running", ("On its way.",))
    match why.code:
        case Obstacle.HELD:
            return _held(standing)
        case Obstacle.DUE_NOW:
            return Sentence("running", (f"Being handed to {standing.agent} just now{_next(standing)}.",))
        case Obstacle.WAITING:
            return _waiting(standing)
        case Obstacle.STEP:
            of = f" {standing.step_number} of {standing.steps}" if standing.step_number else ""
            return Sentence("running", (f"Step{of}, “{quote(standing.current_step)}”, is under way.",))
        case Obstacle.NOT_OWED:
            return Sentence(
                "waiting",
                ("In progress, and nobody's turn: it goes on when somebody resolves or resumes it.",),
            )
        case Obstacle.SCHEDULED if why.unblocks_at is not None:
            return Sentence(
                "waiting", (f"Waiting: attempt {_next_of(standing)} is due at ", why.unblocks_at, ".")
            )
        case Obstacle.EXHAUSTED:
            return Sentence(
                "bad", (f"All {standing.max_attempts} attempts are used up; it is about to fail.",)
            )
        case Obstacle.NEVER_CONNECTED:
            return Sentence("blocked", (f"Waiting: no agent has ever connected to {standing.to_agent}.",))
    return Sentence("blocked", (f"Waiting: {_begin_small(why.reason, standing)}{_after_loss(standing)}",))


def _held(standing: Standing) -> Sentence:
    which = f"Attempt {standing.attempt} of {standing.max_attempts}"
    since: tuple[str | datetime, ...] = ()
    if not standing.is_started:
        if standing.held_since is not None:
            since = (" at ", standing.held_since)
        return Sentence(
            "running",
            (f"{which} was handed to {standing.agent}", *since, ", which has not started on it yet."),
        )
    if standing.held_since is not None:
        since = (" since ", standing.held_since)
    saved = ""
    if standing.checkpoints:
        saved = f", {ordinal(standing.checkpoints)} checkpoint saved"
    return Sentence("running", (f"{which} is running on {standing.agent}", *since, f"{saved}."))


def _waiting(standing: Standing) -> Sentence:
    for_what = {
        WaitingReason.HUMAN: "a person",
        WaitingReason.TOOL: "a tool",
        WaitingReason.AGENT: "another agent",
        WaitingReason.TIME: "a point in time",
    }[WaitingReason(standing.waiting_reason or WaitingReason.TIME)]
    step = f" in step “{quote(standing.current_step)}”" if standing.current_step else ""
    since: tuple[str | datetime, ...] = ()
    if standing.waiting_since is not None:
        since = (" since ", standing.waiting_since)
    return Sentence("waiting", (f"Waiting for {for_what}{step}", *since, "."))


def _failed(standing: Standing) -> Sentence:
    error = standing.ending.get("error")
    error = error if isinstance(error, dict) else {}
    code, message = error.get("code"), error.get("message")
    if code == DEAD_LETTER:
        if standing.attempt == 1:
            return Sentence("bad", ("Dead letter: its only attempt ended without a result.",))
        return Sentence("bad", (f"Dead letter: all {standing.attempt} attempts ended without a result.",))
    said = f": {quote(message)}" if isinstance(message, str) and message else ""
    named = f" ({quote(code)})" if isinstance(code, str) and code else ""
    return Sentence("bad", (f"Failed {_effort(standing)}{_end(said + named)}",))


def _canceled(standing: Standing) -> Sentence:
    reason = standing.ending.get("reason")
    why = f": “{quote(reason)}”" if isinstance(reason, str) and reason else ""
    at: tuple[str | datetime, ...] = (" at ", standing.ended_at) if standing.ended_at is not None else ()
    return Sentence("off", (f"Canceled by {who(standing.ended_by)}", *at, f"{why}."))


def _timed_out(standing: Standing) -> Sentence:
    deadline = standing.deadline_at or standing.ended_at
    of: tuple[str | datetime, ...] = (" of ", deadline) if deadline is not None else ()
    return Sentence("bad", ("Timed out: its deadline", *of, f" passed {_progress(standing)}."))


def _progress(standing: Standing) -> str:
    if standing.attempt == 0:
        return "before anybody took it"
    return f"in attempt {standing.attempt} of {standing.max_attempts}"


def _effort(standing: Standing) -> str:
    """After how many attempts, and how long."""
    took = ""
    if standing.ended_at is not None:
        seconds = (standing.ended_at - standing.created_at).total_seconds()
        took = f" in {lasting(seconds)}"
    match standing.attempt:
        case 0:
            return f"by {who(standing.ended_by)} without an attempt{took.replace(' in ', ' after ')}"
        case 1:
            return f"at the first attempt{took}"
        case attempts:
            return f"after {attempts} attempts{took}"


def _next(standing: Standing) -> str:
    return f", for attempt {_next_of(standing)}" if standing.attempt else ""


def _next_of(standing: Standing) -> str:
    return f"{min(standing.attempt + 1, standing.max_attempts)} of {standing.max_attempts}"


def _after_loss(standing: Standing) -> str:
    if standing.attempt == 0:
        return ""
    return f" Attempt {_next_of(standing)} comes next."


def _begin_small(reason: str, standing: Standing) -> str:
    """A sentence, to stand behind a colon; an address begins small as it is."""
    return reason if reason.startswith(standing.to_agent) else reason[:1].lower() + reason[1:]


def _end(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def who(actor: str) -> str:
    """Who did it, as people say it."""
    if not actor or actor == "system":
        return "the server"
    if actor.startswith("human:"):
        return actor.removeprefix("human:")
    return actor.rpartition("/")[2] or actor


def quote(text: str | None) -> str:
    """Somebody's words on one line, no longer than a sentence bears."""
    line = " ".join((text or "").split())
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1].rstrip()}…"


def ordinal(number: int) -> str:
    """A place in a row, in words while those are short."""
    if number < len(ORDINALS):
        return ORDINALS[number]
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def lasting(seconds: float) -> str:
    """A length of time as people say it: two units at most, and no digits that mean nothing."""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{round(seconds * 1000)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    raise AssertionError("a minute at least")


def clock(at: datetime, now: datetime | None = None) -> str:
    """A time of day, with the day if that is not today's."""
    at = at.astimezone(UTC)
    if now is None or at.date() == now.astimezone(UTC).date():
        return f"{at:%H:%M:%S}"
    return f"{at:%Y-%m-%d %H:%M:%S}"
