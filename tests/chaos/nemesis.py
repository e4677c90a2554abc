"""The nemesis: it does what the schedule says, one fault after the other, and writes down what it has done."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import httpx

from tests.chaos.faults import FAULTS, NotHere
from tests.chaos.profiles import AFTERMATH_SECONDS, Planned
from tests.chaos.world import World


def work(world: World, planned: list[Planned], seconds: float, say: Callable[[str], None]) -> list[str]:
    """Carry out the schedule for so long at most; what could not be done on this machine, and why."""
    skipped: dict[str, str] = {}
    end = time.monotonic() + seconds
    for number, one in enumerate(planned, 1):
        if time.monotonic() > end:
            left = f"the last {len(planned) - number + 1} of {len(planned)} faults"
            skipped[left] = f"after {seconds:.0f} s this machine had not come to them"
            break
        time.sleep(one.calm)
        if one.fault in skipped:
            continue
        world.note_the_dead()
        began = time.time()
        landed = ""
        try:
            landed = _carry_out(world, one)
        except NotHere as reason:
            skipped[one.fault] = str(reason)
            say(f"{number:4}/{len(planned)} {one.fault}: skipped, {reason}")
            continue
        except Exception as error:  # noqa: BLE001  a fault that fails has not landed; the checker says so
            landed, why = "", repr(error)[:500]
        else:
            why = landed
        world.wait_until_all_answer()
        world.journal.note(
            "fault",
            fault=one.fault,
            seed=one.seed,
            landed=bool(landed),
            what=why,
            **{"from": began, "until": time.time() + world.patience(AFTERMATH_SECONDS)},
        )
        say(f"{number:4}/{len(planned)} {one.fault}: {why or 'did not land'} ({time.time() - began:.1f} s)")
        time.sleep(world.patience(AFTERMATH_SECONDS))
    return [f"{name}: {reason}" for name, reason in skipped.items()]


def _carry_out(world: World, one: Planned) -> str:
    """Do it; once more if a request of the nemesis' own was not answered, as may be where others have much to do."""
    try:
        return FAULTS[one.fault].do(world, random.Random(one.seed))
    except httpx.HTTPError:
        time.sleep(AFTERMATH_SECONDS)
        return FAULTS[one.fault].do(world, random.Random(one.seed))
