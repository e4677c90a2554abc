"""What is written down of a run: facts as JSON, and a page that people read."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.chaos.faults import FAULTS
from tests.chaos.mutations import MUTATIONS
from tests.chaos.profiles import Profile

#: The requests that the page counts, as people call them.
DOINGS = {
    "submit": "one intent, over HTTP",
    "batch": "many intents, over HTTP or the websocket",
    "cancel": "cancel",
    "retry": "retry",
    "redeliver": "redeliver now",
    "complete": "complete, over SSE, HTTP or the websocket",
    "checkpoint": "save a step (the hasty agent)",
    "acknowledge": "acknowledge (the hasty agent)",
    "read": "read an intent",
    "events": "read a history",
    "list": "list",
    "kill": "kill an agent by its switch",
    "resume": "resume it",
    "spy": "ask for another tenant's intent",
}

INTRODUCTION = """# Chaos

This page is written by `make chaos PROFILE=night`, or by any other run that is told to with `--page`; nobody types its
figures.

`make chaos` starts a complete Perdure of real processes (two web, worker and beat, PostgreSQL, Valkey), several tenants
with agents of all kinds (the package `axme` as it is, this repository's client, one on the bare websocket that says all
twice and in the wrong order), and a load that submits, repeats itself, cancels, retries, waits and watches. Between all
of them are wires that can be cut. A nemesis breaks one thing after the other, by a schedule that follows from a seed.
Then a checker decides: a program of its own, which knows what each client was told (a line before each request, a line
after) and what is stored, and imports nothing of Perdure.

```
make chaos                          # some minutes
make chaos PROFILE=night            # an hour of faults; writes this page
make chaos SEED=4711                # the same schedule again
make chaos-mutations                # breaks promises on purpose: each has to be noticed
```

It prints its seed and where history, rows and logs are kept, and writes `chaos-report.json`; the exit code is 1 if a
promise was broken. `python -m tests.chaos --only "kill PostgreSQL" --minutes 1` tries one fault, and
`python -m tests.chaos.checker DIRECTORY` judges a kept run again. As root the data directory is on a small disk of its
own, which one fault fills; and, with iproute2, one web process and two agents of each tenant are in network namespaces
of their own, whose cables are pulled. Where that cannot be had, a proxy freezes connections instead, and the run says
so. The other build of the rolling restart is the oldest of the last twenty commits that knows the same database.
"""


def facts(
    profile: Profile,
    seed: int,
    seconds: float,
    slowness: float,
    skipped: list[str],
    verdicts: dict[str, Any],
) -> dict[str, Any]:
    """Everything that chaos-report.json says."""
    return {
        "profile": profile.name,
        "seed": seed,
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(seconds),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        "slowness": round(slowness, 1),
        "all_kept": all(each["kept"] for each in verdicts["checks"]),
        "skipped": skipped,
        **verdicts,
    }


def page(facts: dict[str, Any]) -> str:
    """docs/chaos.md."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    figures = facts["figures"]
    yield from _introduction()
    yield "## The run that this page tells of"
    yield ""
    yield from _table(("", ""), _run(facts))
    yield ""
    yield from _table(
        ("Promise", "Check", "Kept"),
        [
            (each["promise"], f"`{each['name']}`", "yes" if each["kept"] else "**no**")
            for each in facts["checks"]
        ],
    )
    for each in facts["checks"]:
        yield from (f"\n- `{each['name']}`: {objection}" for objection in each["objections"][:3])
    yield ""
    yield "| Fault | Times | What happens |"
    yield "| --- | --- | --- |"
    for name, fault in sorted(FAULTS.items()):
        yield f"| {name} | {figures['faults'].get(name, 0)} | {fault.promise} |"
    yield from (f"\nSkipped: {reason}." for reason in facts["skipped"])
    yield ""
    kinds = ("ok", "failed", "unknown")
    yield from _table(
        ("Request", "Answered with success", "Refused", "Unknown"),
        [
            (DOINGS.get(do, do), *(f"{counts.get(kind, 0):,}" for kind in kinds))
            for do, counts in figures["requests"].items()
        ],
    )
    yield ""
    yield "Unknown: no answer in time, a broken connection, a 5xx, or the death of who asked: it may have been done."


def _introduction() -> Iterator[str]:
    mutations = ", ".join(f"{each.name} → `{each.red}`" for each in MUTATIONS.values())
    yield INTRODUCTION
    yield "Proven to be noticed: the invented runs of `tests/chaos/test_checker.py`, and in real processes"
    yield f"{mutations}."
    yield ""


def _run(facts: dict[str, Any]) -> list[tuple[str, str]]:
    figures = facts["figures"]
    ended = ", ".join(f"{count:,} {status}" for status, count in figures["ended_as"].items())
    seen = ", ".join(f"{count:,} by {how}" for how, count in figures["observations"].items())
    total, good = figures["requests_outside_faults"], figures["answered_outside_faults"]
    return [
        ("Profile", facts["profile"]),
        ("Seed", f"{facts['seed']}"),
        (
            "When",
            f"{facts['at']}, {facts['seconds'] / 60:.0f} minutes in all, {figures['minutes_of_faults']:.0f} of faults",
        ),
        ("Machine", f"{facts['machine']}; shared: a process took {facts['slowness']} times as long as alone"),
        (
            "Faults",
            f"{sum(figures['faults'].values()):,}, of {len(figures['faults'])} of the {len(FAULTS)} kinds there are",
        ),
        ("Intents", f"{figures['intents']:,}: {ended}"),
        ("Events, saved steps", f"{figures['events']:,}, {figures['checkpoints']:,}"),
        (
            "Handlers begun",
            f"{figures['runs']:,}, by agents that were started {figures['agents_started']:,} times",
        ),
        (
            "Handed over again",
            f"{figures['handed_over_again']:,}, {figures['more_than_one_attempt']:,} as a new attempt",
        ),
        ("Observations held against the database", seen),
        ("Requests outside of faults", f"{total:,}, of which {good / max(total, 1):.1%} were answered"),
        ("Every promise kept", "yes" if facts["all_kept"] else "**no**"),
    ]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
