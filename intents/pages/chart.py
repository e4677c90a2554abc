"""The chart of the last hour, drawn on the server: how many intents ended how in each minute, and how long they took.

Plain numbers for SVG attributes; colours come from the style sheet, by class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intents.overview import OUTCOMES, Minute, Overview

WIDTH, HEIGHT, BASE, TOP = 1000, 150, 126, 8
#: Beside the plot, at the end where a small window begins, the figures of its lines.
RIGHT = 60
#: status -> word, class
LOOKS = {
    "COMPLETED": ("completed", "good"),
    "FAILED": ("failed", "bad"),
    "TIMED_OUT": ("timed out", "late"),
    "CANCELED": ("canceled", "gone"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One outcome of one minute."""

    look: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute, and what to say of it."""

    x: float
    width: float
    pieces: list[Piece]
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across, or a time below."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A percentile over time, broken where nothing was completed."""

    look: str
    label: str
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Both drawings, with the same minutes below each other."""

    bars: list[Bar]
    counts: list[Tick]
    lines: list[Line]
    durations: list[Tick]
    times: list[Tick]
    summary: str
    minutes: list[Minute]
    legend: list[tuple[str, str, int]]
    is_empty: bool

    @classmethod
    def of(cls, overview: Overview) -> Chart:
        minutes = overview.minutes
        ended = overview.ended
        ceiling = nice_ceiling(max((minute.total for minute in minutes), default=0))
        longest = max((minute.p95 or 0 for minute in minutes), default=0)
        scale = _DurationScale.of([each for minute in minutes for each in (minute.p50, minute.p95) if each])
        return cls(
            bars=[_bar(place, minute, ceiling) for place, minute in enumerate(minutes)],
            counts=[Tick(_height(value, ceiling), f"{value:,}") for value in _steps(ceiling)],
            lines=[
                _line("p95", "95 % took at most", [minute.p95 for minute in minutes], scale),
                _line("p50", "half took at most", [minute.p50 for minute in minutes], scale),
            ],
            durations=list(scale.ticks()) if longest else [],
            times=[
                Tick(_x(place) + _step() / 2, f"{minute.at:%H:%M}")
                for place, minute in enumerate(minutes)
                if minute.at.minute % 10 == 0
            ],
            summary=_summary(overview),
            minutes=[minute for minute in minutes if minute.total],
            legend=[(*LOOKS[status], ended[status]) for status in OUTCOMES],
            is_empty=not ended,
        )

    @property
    def width(self) -> int:
        return WIDTH

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def right(self) -> int:
        return WIDTH - RIGHT

    @property
    def top(self) -> int:
        return TOP

    @property
    def depth(self) -> int:
        return BASE - TOP

    @property
    def foot(self) -> int:
        return BASE + 18


def _step() -> float:
    return (WIDTH - RIGHT) / 60


def _x(place: int) -> float:
    return round(place * _step(), 2)


def _height(value: float, ceiling: float) -> float:
    return round(BASE - (BASE - TOP) * value / ceiling, 2)


def _bar(place: int, minute: Minute, ceiling: int) -> Bar:
    x, width = _x(place), round(_step() - 2, 2)
    pieces, below = [], 0
    for status in OUTCOMES:
        if number := minute.outcomes[status]:
            top, bottom = _height(below + number, ceiling), _height(below, ceiling)
            height = max(round(bottom - top, 2), 1.5)  # one of many is still seen
            pieces.append(Piece(LOOKS[status][1], x + 1, bottom - height, width, height))
            below += number
    said = ", ".join(
        f"{minute.outcomes[status]:,} {LOOKS[status][0]}" for status in OUTCOMES if minute.outcomes[status]
    )
    return Bar(x, _step(), pieces, f"{minute.at:%H:%M}: {said or 'nothing ended'}")


def nice_ceiling(value: int) -> int:
    """The next of 4, 10, 20, 40, 100, 200 … that is not below."""
    if value <= 4:
        return 4
    size: int = 10 ** (len(str(value)) - 1)
    return next(step * size for step in (1, 2, 4, 10) if step * size >= value)


def _steps(ceiling: int) -> list[int]:
    return [0, ceiling // 2, ceiling]


@dataclass(frozen=True, slots=True)
class _DurationScale:
    """Logarithmic, in whole decades of seconds: a millisecond and an hour fit into one drawing."""

    lowest: int
    highest: int

    @classmethod
    def of(cls, durations: Sequence[float]) -> _DurationScale:
        if not durations:
            return cls(-1, 1)
        lowest, highest = math.floor(math.log10(min(durations))), math.ceil(math.log10(max(durations)))
        return cls(lowest, max(highest, lowest + 1))

    def y(self, seconds: float) -> float:
        return _height(math.log10(seconds) - self.lowest, self.highest - self.lowest)

    def ticks(self) -> Iterator[Tick]:
        for power in range(self.lowest, self.highest + 1):
            yield Tick(self.y(10**power), _duration(10**power))


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:,.0f} s"


def _line(look: str, label: str, values: Sequence[float | None], scale: _DurationScale) -> Line:
    path, dots, is_drawing = [], [], False
    for place, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        x, y = round(_x(place) + _step() / 2, 2), scale.y(value)
        path.append(f"{'L' if is_drawing else 'M'}{x} {y}")
        if place == 0 or values[place - 1] is None:
            dots.append((x, y))
        is_drawing = True
    return Line(look, label, " ".join(path), dots)


def _summary(overview: Overview) -> str:
    ended = overview.ended
    if not ended:
        return "In the last 60 minutes no intent ended."
    parts = [f"{ended[status]:,} {LOOKS[status][0]}" for status in OUTCOMES if ended[status]]
    return f"In the last 60 minutes {ended.total():,} intents ended: {', '.join(parts)}."
