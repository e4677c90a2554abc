"""An intent's history in chapters: what came before the first attempt, then each attempt. Pure.

Events are numbered without gaps, so that a chapter is known by its first number alone, and a long history can be shown
by its ends without reading what lies between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from math import log10
from typing import Any

from intents.lifecycle import TERMINAL_EVENTS, EventType, Status

#: The lengths in which gaps are drawn: none, then three steps to each power of ten from a millisecond on.
LONGEST_GAP = 24
SHORTEST_SECONDS = 0.001
#: A silence as long as this is drawn as one.
SILENCE_SECONDS = 10.0


class Fate(StrEnum):
    """What became of an attempt."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timed out"
    #: the connection ended, or the lease ran out
    LOST = "lost"
    #: the agent gave it back of itself
    RELEASED = "given back"
    #: its connection ended before it had begun; the attempt does not count
    RETURNED = "handed back"
    #: an operator had it delivered again
    TAKEN = "taken away"
    WAITING = "set aside to wait"


@dataclass(frozen=True, slots=True)
class Mark:
    """An event that chapters are told by, with as little of it as is needed for that."""

    seq: int
    type: str
    at: datetime
    #: which attempt it hands over, if it does
    handed: int | None = None
    is_released: bool = False
    is_returned: bool = False
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a history: all before the first attempt (number 0), or one attempt."""

    index: int
    attempt: int
    first: int
    last: int
    began_at: datetime
    ended_at: datetime | None
    fate: Fate | None

    @property
    def events(self) -> int:
        return self.last - self.first + 1

    @property
    def lasted(self) -> float | None:
        """For how many seconds, if it is over."""
        return (self.ended_at - self.began_at).total_seconds() if self.ended_at else None


def mark(seq: int, type: str, at: datetime, details: dict[str, Any]) -> Mark | None:  # noqa: A002
    """What an event means for the chapters; None if nothing."""
    number = details.get("delivery_attempt")
    is_released, is_returned = bool(details.get("released")), bool(details.get("returned"))
    handed = None
    if isinstance(number, int) and type in HANDED and not (is_released or is_returned):
        handed = number
    if handed is None and not is_released and not is_returned and type not in TELLING:
        return None
    return Mark(seq, type, at, handed, is_released, is_returned, bool(details.get("redelivered_by")))


HANDED = frozenset({EventType.DELIVERED, EventType.IN_PROGRESS})
#: Events that say what became of the attempt they stand in.
TELLING = frozenset({*TERMINAL_EVENTS, EventType.DELIVERY_FAILED, EventType.WAITING})


def divide(marks: Sequence[Mark], *, last: int, created_at: datetime, is_held: bool) -> list[Chapter]:
    """The chapters of a history with `last` events; `is_held`: somebody works on it at this moment."""
    starts = [each for each in marks if each.handed is not None]
    firsts = [1, *(each.seq for each in starts)]
    begins = [created_at, *(each.at for each in starts)]
    attempts = [0, *(each.handed or 0 for each in starts)]
    ends = [*(first - 1 for first in firsts[1:]), last]
    chapters = []
    for index, (attempt, first, end) in enumerate(zip(attempts, firsts, ends, strict=True)):
        within = [each for each in marks if first <= each.seq <= end and each.handed is None]
        is_last = index == len(firsts) - 1
        fate, over = _fate(within, is_last=is_last, is_held=is_held) if attempt else (None, None)
        if over is None and not is_last:
            over = begins[index + 1]
        chapters.append(Chapter(index, attempt, first, end, begins[index], over, fate))
    return chapters


def _fate(within: Sequence[Mark], *, is_last: bool, is_held: bool) -> tuple[Fate, datetime | None]:
    for each in within:
        if each.is_returned:
            return Fate.RETURNED, each.at
        if each.is_released:
            return (Fate.TAKEN if each.is_taken else Fate.RELEASED), each.at
        if each.type == EventType.DELIVERY_FAILED:
            return Fate.LOST, each.at
        if each.type == EventType.WAITING:
            return Fate.WAITING, each.at
        if each.type in TERMINAL_EVENTS:
            return _ENDS[TERMINAL_EVENTS[EventType(each.type)]], each.at
    if is_last and is_held:
        return Fate.RUNNING, None
    return Fate.LOST, None


_ENDS = {
    Status.COMPLETED: Fate.COMPLETED,
    Status.FAILED: Fate.FAILED,
    Status.CANCELED: Fate.CANCELED,
    Status.TIMED_OUT: Fate.TIMED_OUT,
}


@dataclass(frozen=True, slots=True)
class Window:
    """Which events of a long history are shown: runs of numbers, first and last included."""

    runs: tuple[tuple[int, int], ...]

    @property
    def hidden(self) -> tuple[tuple[int, int], ...]:
        """What lies between the runs."""
        return tuple((a[1] + 1, b[0] - 1) for a, b in pairwise(self.runs))

    def shows(self, seq: int) -> bool:
        return any(first <= seq <= end for first, end in self.runs)


def window(last: int, *, head: int, tail: int, around: int | None = None) -> Window:
    """The first and last of `last` events; with a run `around` one that somebody asked for."""
    if last <= head + tail + 10:
        return Window(((1, last),)) if last else Window(())
    runs = [(1, head), (last - tail + 1, last)]
    if around is not None and head < around <= last - tail:
        runs.insert(1, (max(1, around - 20), min(last, around + 20)))
    merged = [runs[0]]
    for first, end in runs[1:]:
        if first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return Window(tuple(merged))


def gap_step(seconds: float) -> int:
    """How long a gap is drawn, from 0 on: five milliseconds and five hours both have their place."""
    if seconds < SHORTEST_SECONDS:
        return 0
    return min(LONGEST_GAP, 1 + round(3 * log10(seconds / SHORTEST_SECONDS)))


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a whole life, in thousandths of its length."""

    kind: str
    start: int
    length: int
    chapter: Chapter | None = field(default=None, compare=False)


def spans(chapters: Iterable[Chapter], *, began_at: datetime, until: datetime) -> list[Span]:
    """The attempts along a life from `began_at` to now or its end, true to scale but for a least width to be seen."""
    whole = max((until - began_at).total_seconds(), 0.001)
    drawn = []
    for chapter in chapters:
        if not chapter.attempt:
            continue
        start = (chapter.began_at - began_at).total_seconds() / whole
        end = ((chapter.ended_at or until) - began_at).total_seconds() / whole
        length = max(6, round((end - start) * 1000))
        kind = (chapter.fate or Fate.RUNNING).name.lower()
        drawn.append(Span(kind, min(1000 - length, round(start * 1000)), length, chapter))
    return drawn
