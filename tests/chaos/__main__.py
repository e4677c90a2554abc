"""Run chaos: `python -m tests.chaos [--profile quick] [--seed N]`. The exit code is 1 if a promise was broken."""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import nemesis, report
from tests.chaos.profiles import MOST_OVERTIME, PROFILES, Profile, schedule
from tests.chaos.report import PAGE, README
from tests.chaos.world import World, fresh_directory
from tests.servers import REPOSITORY, wait_until

#: After the last fault everything owed has to be done within so many seconds.
DRAIN_SECONDS = 60
WARM_UP_SECONDS = 6


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--minutes", type=float, help="how long the nemesis is at work, instead of the profile's time"
    )
    parser.add_argument("--only", help="these faults alone, comma-separated")
    parser.add_argument(
        "--mutation", default="", help="break a promise on purpose (tests/chaos/mutations.py)"
    )
    parser.add_argument("--directory", type=Path, help="where history, rows and logs are kept")
    parser.add_argument("--report", type=Path, default=REPOSITORY / "chaos-report.json")
    parser.add_argument("--page", type=Path, help="write docs/chaos.md, with this run in it, here")
    options = parser.parse_args()
    # As Ctrl-C: what was started is stopped, what was mounted is unmounted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    profile = PROFILES[options.profile]
    if options.minutes:
        profile = _longer(profile, options.minutes)
    if options.only:
        profile = _only(profile, options.only.split(","))
    directory = options.directory or fresh_directory()
    say(f"profile {profile.name}, seed {options.seed}; history, rows and logs: {directory}")
    began = time.time()
    came = run(profile, options.seed, directory, options.mutation)
    seconds = time.time() - began
    facts = report.facts(profile, options.seed, seconds, came.slowness, came.skipped, came.verdicts)
    options.report.write_text(json.dumps(facts, indent=1) + "\n")
    if page := options.page or (PAGE if profile.is_full and not options.only else None):
        page.write_text(report.page(PAGE.read_text(), facts))
        if page == PAGE:
            README.write_text(report.told_shortly(README.read_text(), facts))
    untried = report.untried_of(facts)
    outcome = "every promise was kept" if facts["all_kept"] else "a promise was BROKEN"
    if untried:
        say(f"not tried: {', '.join(untried)}")
    say(f"{outcome}; seed {options.seed}, {options.report}")
    return 0 if facts["all_kept"] else 1


@dataclass(frozen=True)
class Came:
    """What a run came to."""

    skipped: list[str]
    slowness: float
    verdicts: dict[str, Any]


def run(profile: Profile, seed: int, directory: Path, mutation: str = "") -> Came:
    """One run from the first process to the verdict."""
    planned = schedule(profile, seed)
    (directory / "schedule.json").write_text(
        json.dumps(
            {"seed": seed, "profile": profile.name, "faults": [vars(one) for one in planned]}, indent=1
        )
    )
    with World(directory, tenants=profile.tenants, mutation=mutation, small_disk=True) as world:
        time.sleep(2)
        say(f"all is there; a machine of our own would be {world.slowness:.1f} times as fast")
        world.note_resources("before")
        world.start_load(profile.pace, seed)
        time.sleep(WARM_UP_SECONDS)
        skipped = nemesis.work(world, planned, profile.seconds * MOST_OVERTIME, say)
        if world.without_spaces:
            skipped.append(f"pulling cables, the proxy froze connections instead: {world.without_spaces}")
        time.sleep(WARM_UP_SECONDS)
        world.stop_load()
        drain(world)
        world.wait_until_all_answer()
        world.observe(profile.sample)
        world.wait_until_all_answer()
        world.let_idle()
        world.note_resources("after")
        say("judging")
        subprocess.run(
            [sys.executable, "-m", "tests.chaos.checker", str(directory), "--database", world.database_url],
            cwd=REPOSITORY,
            check=False,
        )
    return Came(skipped, world.slowness, json.loads((directory / "verdicts.json").read_text()))


def drain(world: World) -> None:
    """Wait until nothing is owed any more; note it if that does not come about."""
    began = time.monotonic()
    try:
        wait_until(lambda: not world.open_intents(), world.patience(DRAIN_SECONDS), "nothing is open")
    except AssertionError:
        world.journal.note("not drained", seconds=time.monotonic() - began, open=world.open_intents())
    world.journal.note("drained", seconds=time.monotonic() - began)
    say(f"drained in {time.monotonic() - began:.1f} s")


def _longer(profile: Profile, minutes: float) -> Profile:
    return Profile(**{**vars(profile), "seconds": minutes * 60})


def _only(profile: Profile, names: list[str]) -> Profile:
    return Profile(**{**vars(profile), "names": tuple(names)})


if __name__ == "__main__":
    sys.exit(main())
