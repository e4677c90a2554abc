"""What is reported: one line a figure, in a format that stays, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


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
    #: what each run gave
    runs: list[float] = field(default_factory=list)

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
            parts.append(f"(wanted {self.wanted})")
        if self.note:
            parts.append(self.note)
        return "  ".join(parts).rstrip()

    def facts(self) -> dict[str, Any]:
        """The figure as JSON."""
        facts: dict[str, Any] = {"name": self.name, "value": self.value, "unit": self.unit}
        if self.p99 is not None:
            facts |= {"p50": self.value, "p99": self.p99}
        for name in ("ratio", "wanted", "note", "runs"):
            if (value := getattr(self, name)) not in (None, "", []):
                facts[name] = value
        return facts


def latency(name: str, seconds: Sequence[float], *, wanted: str = "", note: str = "") -> Figure:
    """The figure of many waits: their median and the one that 99 % do not exceed, in milliseconds."""
    waits = sorted(each * 1000 for each in seconds)
    if not waits:
        raise ValueError(f"{name}: nothing was measured")
    note = f"n={len(waits)}" + (f", {note}" if note else "")
    return Figure(name, median(waits), "ms", p99=percentile(waits, 99), wanted=wanted, note=note)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of these that at least so many percent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
