"""What is promised, one check each, by name; a check says what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from tests.chaos.checker.evidence import Evidence

Check = Callable[[Evidence], Iterator[str]]

#: How many objections of one check are kept.
MOST_OBJECTIONS = 20
CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Verdict:
    """What a check came to. `promise` is the sentence that it holds."""

    name: str
    promise: str
    objections: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        return not self.objections


def check(name: str) -> Callable[[Check], Check]:
    """Make this a check; the first line of its docstring is the promise."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def judge(evidence: Evidence) -> list[Verdict]:
    """All checks, each judged."""
    return [
        Verdict(name, promise_of(name), tuple(islice(function(evidence), MOST_OBJECTIONS)))
        for name, function in CHECKS.items()
    ]


def promise_of(name: str) -> str:
    lines = (CHECKS[name].__doc__ or "").strip().splitlines()
    return lines[0] if lines else name
