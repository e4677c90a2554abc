"""What a run leaves behind: the clients' history, and the pages that tell of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chaos import report
from tests.chaos.checker.figures import figures
from tests.chaos.checker.verdicts import CHECKS, judge
from tests.chaos.faults import FAULTS
from tests.chaos.history import Journal, read
from tests.chaos.mutations import MUTATIONS
from tests.chaos.profiles import PROFILES
from tests.chaos.stories import good


def test_a_history_is_read_in_the_order_of_its_times_whoever_wrote_it(tmp_path: Path) -> None:
    first, second = Journal(tmp_path, "first"), Journal(tmp_path, "second")
    one = first.invoke("submit", marker="a")
    other = second.invoke("submit", marker="b")
    other.unknown()
    one.ok(intent="i")

    entries = read(tmp_path)

    assert [(entry["who"], entry["kind"]) for entry in entries] == [
        ("first", "invoke"),
        ("second", "invoke"),
        ("second", "unknown"),
        ("first", "ok"),
    ]


def test_no_two_requests_of_a_process_have_the_same_number(tmp_path: Path) -> None:
    requests = [Journal(tmp_path, "crowd").invoke("complete") for _ in range(2)]

    assert requests[0].number != requests[1].number


def told(spoil: bool) -> dict[str, Any]:
    """The facts of an invented run."""
    story = good()
    if spoil:
        story.row("intent", id="i-done")["seq"] = 9
    story.note("durability", 1.0, when="before", fsync="on", full_page_writes="on")
    for at, point in ((3.0, "after-submit"), (4.0, "before-wake"), (5.0, "after-submit")):
        story.note("failpoint", at, part="web-0", point=point)
    evidence = story.evidence()
    checks = [each.told() for each in judge(evidence) if each.name != "load-was-real"]
    verdicts = {"figures": figures(evidence), "checks": checks}
    return report.facts(PROFILES["night"], 4711, 90, 1.0, ["fill the disk: no root"], verdicts)


def test_the_page_has_the_seed_the_commit_every_fault_and_every_check() -> None:
    facts = json.loads(json.dumps(told(spoil=False)))
    page = report.page(report.PAGE.read_text(), facts)

    assert facts["all_kept"] is True
    assert f"| Seed, commit | 4711, {facts['commit']} |" in page
    assert "| Died at failpoints | 2 after-submit, 1 before-wake |" in page
    assert "| Settings of the running PostgreSQL | `fsync` on, `full_page_writes` on |" in page
    assert all(f"| {name} | " in page for name in FAULTS)
    assert all(f"`{name}`" in page for name in CHECKS if name != "load-was-real")
    assert "**no**" not in page
    assert "Skipped: fill the disk: no root." in page
    shortly = report.told_shortly(report.README.read_text(), facts)
    assert "**every promise kept, none lost and none ended twice** (seed 4711, " in shortly


def test_the_page_hides_no_broken_promise() -> None:
    facts = told(spoil=True)

    assert facts["all_kept"] is False
    assert "**no**" in report.page(report.PAGE.read_text(), facts)
    assert "**a promise BROKEN** (seed 4711, " in report.told_shortly(report.README.read_text(), facts)


def test_the_page_says_what_was_not_tried() -> None:
    facts = told(spoil=False)
    facts["checks"][0]["state"] = "not tried"
    page = report.page(report.PAGE.read_text(), facts)

    assert f"`{facts['checks'][0]['name']}` | not tried |" in page
    assert "| Every promise kept | yes, but for 1 that was not tried |" in page
    shortly = report.told_shortly(report.README.read_text(), facts)
    assert "**every promise that was tried kept, none lost" in shortly


def test_the_page_says_which_broken_promise_was_not_noticed() -> None:
    before = report.PAGE.read_text()
    noticed = dict.fromkeys(MUTATIONS, True)

    assert "**no**" not in report.proven(before, noticed, "abc1234")
    page = report.proven(before, {**noticed, "doorbell-only": False}, "abc1234")
    assert "| doorbell-only | drop all rings | `delivered-without-rings` | **no** |" in page
    assert "on commit abc1234" in page
