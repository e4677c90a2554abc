"""What is promised, one check each, by name; a check says what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from tests.chaos.checker.evidence import Evidence

Objections = Callable[[Evidence], Iterator[str]]

#: How many objections of one check are kept.
MOST_OBJECTIONS = 20


class State(StrEnum):
    """What can be said of a promise after a run."""

    KEPT = "kept"
    BROKEN = "broken"
    #: nothing happened by which it could have been broken
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Check:
    """A promise. `has_evidence` says whether a run tried it, which each fault of `fed_by` does, if it landed."""

    objections: Objections
    has_evidence: Callable[[Evidence], bool]
    fed_by: tuple[str, ...] = ()

    def __call__(self, evidence: Evidence) -> Iterator[str]:
        yield from self.objections(evidence)
        if not self.has_evidence(evidence):
            for fault in evidence.landed(*self.fed_by):
                yield f"there is nothing to judge by, though there was {fault}"


CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Verdict:
    """What a check came to. `promise` is the sentence that it holds."""

    name: str
    promise: str
    objections: tuple[str, ...]
    was_tried: bool = True

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it; it may not have been tried."""
        return not self.objections

    @property
    def state(self) -> State:
        if self.objections:
            return State.BROKEN
        return State.KEPT if self.was_tried else State.NOT_TRIED

    def told(self) -> dict[str, Any]:
        """As it is written down."""
        return {
            "name": self.name,
            "promise": self.promise,
            "kept": self.is_kept,
            "state": self.state.value,
            "objections": self.objections,
        }


def check(
    name: str,
    *,
    has_evidence: Callable[[Evidence], bool] = lambda evidence: True,
    fed_by: tuple[str, ...] = (),
) -> Callable[[Objections], Objections]:
    """Make this a check; the first line of its docstring is the promise."""

    def register(function: Objections) -> Objections:
        CHECKS[name] = Check(function, has_evidence, fed_by)
        return function

    return register


def judge(evidence: Evidence) -> list[Verdict]:
    """All checks, each judged."""
    return [
        Verdict(
            name,
            promise_of(name),
            tuple(islice(each(evidence), MOST_OBJECTIONS)),
            each.has_evidence(evidence),
        )
        for name, each in CHECKS.items()
    ]


def promise_of(name: str) -> str:
    lines = (CHECKS[name].objections.__doc__ or "").strip().splitlines()
    return lines[0] if lines else name
