"""How long a run is, and which faults come when: a schedule that follows from the seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.chaos.faults import FAULTS

#: After a fault has been mended, requests may still suffer for so long; calm is what comes then.
AFTERMATH_SECONDS = 2.0


#: What every schedule begins with, in any order: agents, processes and answers are lost for certain, and each promise
#: that `make chaos-mutations` breaks would show.
ESSENTIAL = (
    "freeze an agent past its lease",
    "kill an agent",
    "kill a web process",
    "die after the commit of a submission",
    "lose answers",
    "drop all rings",
    "end at once",
    "poison",
)
#: On a slow machine faults take longer: the schedule is left after so many times the seconds that it was planned for.
MOST_OVERTIME = 1.2


@dataclass(frozen=True)
class Profile:
    """A kind of run. `seconds` is how long the nemesis is at work, `pace` multiplies the load."""

    name: str
    seconds: float
    calm: tuple[float, float]
    tenants: int
    pace: float
    sample: int
    names: tuple[str, ...] = ()
    #: whether docs/chaos.md tells of it
    is_full: bool = False


@dataclass(frozen=True)
class Planned:
    """A fault of a schedule: after so many seconds of calm, with a chance of its own."""

    fault: str
    calm: float
    seed: int


PROFILES = {
    "quick": Profile("quick", 190, (1.0, 3.0), 2, 1.0, 30),
    "night": Profile("night", 3600, (2.0, 8.0), 3, 1.0, 150, is_full=True),
    "smoke": Profile("smoke", 15, (1.0, 2.0), 2, 1.0, 10, ("kill a web process",)),
}


def schedule(profile: Profile, seed: int) -> list[Planned]:
    """All faults once in a random order, the essential ones first, then again in another, until the time is over."""
    chance = random.Random(seed)
    names = sorted(profile.names or FAULTS)
    planned: list[Planned] = []
    seconds = 0.0
    while seconds < profile.seconds:
        order = chance.sample(names, len(names))
        if not planned:
            order.sort(key=lambda name: name not in ESSENTIAL)
        for name in order:
            one = Planned(name, round(chance.uniform(*profile.calm), 2), chance.randrange(2**32))
            planned.append(one)
            seconds += one.calm + FAULTS[name].seconds + AFTERMATH_SECONDS
            if seconds >= profile.seconds:
                break
    return planned
