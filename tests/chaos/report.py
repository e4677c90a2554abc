"""What is written down of a run: facts as JSON, and what docs/chaos.md tells of it between its marks."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from bench.table import replaced
from tests.audit.report import tree
from tests.chaos.faults import FAULTS
from tests.chaos.mutations import MUTATIONS
from tests.chaos.profiles import Profile
from tests.servers import REPOSITORY

PAGE, README = REPOSITORY / "docs" / "chaos.md", REPOSITORY / "README.md"
#: The marks between which docs/chaos.md is written.
RUN, PROVEN = "the last full run", "broken on purpose"
HEAD = ("Broken promise", "Shows under", "Check that has to object", "It did")
#: How the page says what became of a promise.
KEPT = {"kept": "yes", "broken": "**no**", "not tried": "not tried"}
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
        "commit": tree(),
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(seconds),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        "slowness": round(slowness, 1),
        "all_kept": all(each["kept"] for each in verdicts["checks"]),
        "skipped": skipped,
        **verdicts,
    }


def page(before: str, facts: dict[str, Any]) -> str:
    """The page as it was, but that it tells of this run.

    Raises:
        ValueError: it does not say where.
    """
    return replaced(before, RUN, "\n".join(_lines(facts)))


def told_shortly(before: str, facts: dict[str, Any]) -> str:
    """The README as it was, but that it tells of this run in a sentence.

    Raises:
        ValueError: it does not say where.
    """
    figures = facts["figures"]
    faults = f"{sum(figures['faults'].values()):,} faults of {len(figures['faults'])} kinds"
    minutes = f"{figures['minutes_of_faults']:.0f} minutes"
    promises = "every promise that was tried" if untried_of(facts) else "every promise"
    kept = f"{promises} kept, none lost and none ended twice" if facts["all_kept"] else "a promise BROKEN"
    run = f"(seed {facts['seed']}, commit {facts['commit']}, {facts['at']})"
    return replaced(
        before, RUN, f"{figures['intents']:,} intents under {faults} in {minutes}: **{kept}** {run}."
    )


def proven(before: str, noticed: dict[str, bool], commit: str) -> str:
    """The page as it was, but that it tells which promises, broken on purpose on this commit, were noticed.

    Raises:
        ValueError: it does not say where.
    """
    day = datetime.now(UTC).date().isoformat()
    rows = [
        (name, ", ".join(MUTATIONS[name].faults), f"`{MUTATIONS[name].red}`", "yes" if so else "**no**")
        for name, so in noticed.items()
    ]
    lines = [f"Tried on {day}, on commit {commit}.", "", *_table(HEAD, rows)]
    return replaced(before, PROVEN, "\n".join(lines))


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    figures = facts["figures"]
    yield from _table(("", ""), _run(facts))
    yield ""
    yield from _table(
        ("Promise", "Check", "Kept"),
        [(each["promise"], f"`{each['name']}`", KEPT[each["state"]]) for each in facts["checks"]],
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


def _run(facts: dict[str, Any]) -> list[tuple[str, str]]:
    figures = facts["figures"]
    ended = ", ".join(f"{count:,} {status}" for status, count in figures["ended_as"].items())
    seen = ", ".join(f"{count:,} by {how}" for how, count in figures["observations"].items())
    died = ", ".join(f"{count} {point}" for point, count in figures["failpoints"].items())
    durable = ", ".join(f"`{name}` {value}" for name, value in figures["durability"].items())
    total, good = figures["requests_outside_faults"], figures["answered_outside_faults"]
    return [
        ("Profile", facts["profile"]),
        ("Seed, commit", f"{facts['seed']}, {facts['commit']}"),
        (
            "When",
            f"{facts['at']}, {facts['seconds'] / 60:.0f} minutes in all, {figures['minutes_of_faults']:.0f} of faults",
        ),
        ("Machine", f"{facts['machine']}; shared: a process took {facts['slowness']} times as long as alone"),
        (
            "Faults",
            f"{sum(figures['faults'].values()):,}, of {len(figures['faults'])} of the {len(FAULTS)} kinds there are",
        ),
        ("Died at failpoints", died or "none"),
        ("Settings of the running PostgreSQL", durable or "not looked at"),
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
        ("Every promise kept", _all_kept(facts)),
    ]


def _all_kept(facts: dict[str, Any]) -> str:
    untried = untried_of(facts)
    if not facts["all_kept"]:
        return "**no**"
    return f"yes, but for {len(untried)} that {_were(untried)} not tried" if untried else "yes"


def untried_of(facts: dict[str, Any]) -> list[str]:
    """The checks for which there was nothing to judge by."""
    return [each["name"] for each in facts["checks"] if each["state"] == "not tried"]


def _were(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
