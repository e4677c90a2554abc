"""The faults by name. One takes the world and a chance, breaks something, mends it, and says what it has done.

It returns once all is mended, with proof that it landed (a process that is dead, an answer that did not come), or an
empty text if it did not. `NotHere` says that this machine does not allow it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.world import World

Do = Callable[["World", random.Random], str]


class NotHere(Exception):
    """This fault needs something that this machine, or this user, does not have."""


@dataclass(frozen=True)
class Fault:
    """A way to break things. `seconds` is about how long it takes, its mending included."""

    name: str
    seconds: float
    do: Do
    promise: str


FAULTS: dict[str, Fault] = {}


def fault(name: str, seconds: float) -> Callable[[Do], Do]:
    """Make this function a fault."""

    def register(do: Do) -> Do:
        FAULTS[name] = Fault(name, seconds, do, (do.__doc__ or name).strip().splitlines()[0])
        return do

    return register
