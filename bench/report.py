"""What is reported: one line a figure, in a format that stays, and the same as JSON."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

#: One thing that is wanted: of the value unless it says of what, at most or at least so much.
WANTED = re.compile(r"(?:(?P<of>p50|p99|ratio) )?(?P<side>[≤≥]) (?P<limit>\d[\d,.]*)(?:/s)?")


@dataclass(slots=True)
class Figure:
    """One measured number, or two where it is a latency, with what is wanted of it."""

    name: str
    value: float
    unit: str
    #: to the ceiling, or to what the name says
    ratio: float | None = None
    p99: float | None = None
    wanted: str = ""
    note: str = ""
    #: what each run gave; of a latency its medians, and then what 99 % did not exceed
    runs: list[float] = field(default_factory=list)
    runs_p99: list[float] = field(default_factory=list)

    def line(self) -> str:
        """The figure as text: name, value, unit, then whatever else there is."""
        if self.p99 is not None:
            value = f"p50 {_short(self.value)} {self.unit}  p99 {_short(self.p99)} {self.unit}"
        else:
            value = f"{_short(self.value)} {self.unit}"
        parts = [f"{self.name:<40}", f"{value:<32}"]
        if self.ratio is not None:
            parts.append(f"ratio {self.ratio:.2f}")
        if self.wanted:
            parts.append(f"(wanted {self.wanted}{': missed' if self.missed() else ''})")
        if self.note:
            parts.append(self.note)
        return "  ".join(parts).rstrip()

    def missed(self) -> list[str]:
        """What is wanted and is not so."""
        return [wish for wish in self.wanted.split(", ") if wish and not self._has(wish)]

    def _has(self, wish: str) -> bool:
        found = WANTED.fullmatch(wish)
        if found is None:
            raise ValueError(f"{self.name}: nobody can tell whether it has {wish!r}")
        value = {"p99": self.p99, "ratio": self.ratio}.get(found["of"] or "", self.value)
        limit = float(found["limit"].replace(",", ""))
        return value is not None and (value <= limit if found["side"] == "≤" else value >= limit)

    def facts(self) -> dict[str, Any]:
        """The figure as JSON."""
        facts: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit}
        if self.p99 is not None:
            facts |= {"p50": self.value, "p99": self.p99}
        for name in ("ratio", "wanted", "note", "runs", "runs_p99"):
            if (value := getattr(self, name)) not in (None, "", []):
                facts[name] = value
        if self.wanted:
            facts["missed"] = self.missed()
        return facts


def latency(
    name: str, seconds: Sequence[float], *, parts: int = 1, wanted: str = "", note: str = ""
) -> Figure:
    """The figure of many waits: their median and the one that 99 % do not exceed, in milliseconds.

    How much it changes is told by so many parts of them, one after the other in the order in which they are given.
    """
    waits = sorted(each * 1000 for each in seconds)
    if not waits:
        raise ValueError(f"{name}: nothing was measured")
    note = f"n={len(waits)}" + (f", {note}" if note else "")
    figure = Figure(name, median(waits), "ms", p99=percentile(waits, 99), wanted=wanted, note=note)
    if 1 < parts <= len(waits):
        bounds = [len(waits) * part // parts for part in range(parts + 1)]
        some = [sorted(seconds[start:end]) for start, end in itertools.pairwise(bounds)]
        figure.runs = [median(part) * 1000 for part in some]
        figure.runs_p99 = [percentile(part, 99) * 1000 for part in some]
    return figure


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of these that at least so many percent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
