"""The checker is told invented runs: it is content with the good one, and objects to each bad one by the right name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import spoiled, spoiled_ends
from tests.chaos.checker import running
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.verdicts import CHECKS, State, judge, promise_of
from tests.chaos.stories import DONE, REDONE, Story, good
from tests.servers import REPOSITORY

#: That a run was large enough is no question to a story of four intents.
OF_SIZE = "load-was-real"


def broken(story: Story) -> set[str]:
    """The names of the checks that object."""
    return {verdict.name for verdict in judge(story.evidence()) if not verdict.is_kept} - {OF_SIZE}


def test_a_run_in_which_all_went_well_is_not_objected_to() -> None:
    assert broken(good()) == set()


def test_who_begins_late_what_has_become_another_ones_is_not_blamed_for_a_step() -> None:
    story = good()
    late = {"run": "r0", "attempt": 1, "seq": 2}
    story.note("run", 5.5, intent=REDONE, agent="socket", who="socket-b", **late)
    story.note("step", 5.6, intent=REDONE, step="step-0", who="socket-b", run="r0", attempt=1)
    assert "steps-are-done-once" not in broken(story)

    late = story.entry("run", run="r0")
    late.update(seq=9)
    assert "steps-are-done-once" in broken(story)


BAD = [*spoiled.BAD, *spoiled_ends.BAD]


@pytest.mark.parametrize(("spoil", "check"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
def test_a_broken_promise_is_called_by_its_name(spoil: Callable[[Story], None], check: str) -> None:
    story = good()
    spoil(story)

    assert check in broken(story)


def test_every_check_has_a_story_that_it_objects_to() -> None:
    assert {check for _, check in BAD} == CHECKS.keys() - {OF_SIZE}


def test_a_run_that_tried_nothing_is_no_proof() -> None:
    assert list(CHECKS[OF_SIZE](good().evidence()))


def test_requests_that_fail_outside_of_faults_are_too_many_when_a_fifth_is() -> None:
    def share(failed: int) -> tuple[int, int]:
        story = good()
        story.entries = [entry for entry in story.entries if entry["kind"] == "fault"]
        for number in range(100):
            story.request("read", 20 + number, "unknown" if number < failed else "ok", intent=DONE)
        story.request("read", 5, "unknown", intent=DONE)  # in the fault: it may
        return running.share_ok(story.evidence())

    assert share(0) == (100, 100)
    assert share(21) == (79, 100)


def test_the_program_reads_what_was_kept_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    story = good()
    spoiled.end_twice(story)
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "one.jsonl").write_text("\n".join(map(json.dumps, story.entries)) + '\n{"torn')
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, story.rows)))

    judged = subprocess.run(
        [sys.executable, "-m", "tests.chaos.checker", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert judged.returncode == 1, judged.stderr
    assert "BROKEN    one-terminal-event-each" in judged.stdout
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    assert verdicts["figures"]["intents"] == len(story.evidence().intents)


def test_the_checker_knows_nothing_of_what_it_checks() -> None:
    code = (
        "import sys, tests.chaos.checker.__main__;"
        "print([name for name in sys.modules if name.split('.')[0] in ('agents', 'intents', 'controlplane', 'django')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == "[]"


def test_rows_of_one_intent_are_found_by_it() -> None:
    evidence: Evidence = good().evidence()

    assert [event["seq"] for event in evidence.events[DONE]] == [1, 2, 3, 4, 5]


def test_a_request_that_is_always_due_is_answered_only_by_success() -> None:
    story = good()
    story.entries = []
    for number in range(10):
        story.request("submit", 20 + number, "failed" if number < 4 else "ok", {"status": 429}, marker="m")
        story.request("cancel", 20 + number, "failed", {"status": 409}, intent=DONE)

    assert running.share_ok(story.evidence()) == (16, 20)


def test_a_long_run_has_to_try_more() -> None:
    def said(minutes: float, patience: float = 1.0) -> str:
        story = good()
        story.note("slowness", 0.0, ratio=patience, patience=patience)
        story.note("fault", 9.0, fault="any", landed=True, **{"from": 4.0, "until": 4 + minutes * 60})
        return "; ".join(CHECKS[OF_SIZE](story.evidence()))

    assert f"there should be {running.LEAST_REQUESTS}" in said(1)
    assert "there should be 6000" in said(60)
    assert "there should be 3000" in said(60, patience=2.0)


def test_work_has_to_be_handed_over_again_if_a_fault_took_it() -> None:
    story = good()
    story.rows = [row for row in story.rows if REDONE not in (row.get("id"), row.get("intent"))]
    assert "only 0 intents were handed over more than once" in "; ".join(CHECKS[OF_SIZE](story.evidence()))

    story.entry("fault")["fault"] = "lose answers"
    assert "handed over more than once" not in "; ".join(CHECKS[OF_SIZE](story.evidence()))


def test_a_fault_that_uses_the_kill_switch_has_to_have_used_it() -> None:
    story = good()
    for entry in story.entries:
        if entry.get("do") == "kill" and entry["kind"] == "ok":
            entry["kind"] = "unknown"
    assert "no kill succeeded" not in CHECKS[OF_SIZE](story.evidence())

    story.entry("fault")["fault"] = "end at once"
    assert "no kill succeeded" in CHECKS[OF_SIZE](story.evidence())


def test_agents_may_come_to_another_process_than_before() -> None:
    story = good()
    for when, mine, other in (("before", 40, 5), ("after", 5, 45)):
        for part, tasks in (("web-0", mine), ("web-1", other)):
            entry = {**story.entry("resources", when=when), "part": part, "tasks": tasks}
            story.entries.append(entry)
    assert "processes-return-to-rest" not in broken(story)

    story.entries[-1]["tasks"] = 110
    assert "processes-return-to-rest" in broken(story)


def no_probes(story: Story) -> None:
    story.entries = [entry for entry in story.entries if entry["kind"] != "probe"]


def no_kills(story: Story) -> None:
    story.entries = [entry for entry in story.entries if entry.get("agent") != "doomed"]


def nothing_begun_again(story: Story) -> None:
    story.entries = [entry for entry in story.entries if entry.get("run") not in ("r2", "r4")]


@pytest.mark.parametrize(
    ("leave_out", "check", "fault"),
    [
        (no_probes, "delivered-without-rings", "drop all rings"),
        (no_kills, "killed-agents-write-nothing", "end at once"),
        (nothing_begun_again, "superseded-attempts-write-nothing", "kill an agent"),
    ],
)
def test_what_was_not_tried_is_neither_kept_nor_broken_unless_a_fault_should_have_tried_it(
    leave_out: Callable[[Story], None], check: str, fault: str
) -> None:
    def state(of: Story) -> State:
        [found] = [verdict for verdict in judge(of.evidence()) if verdict.name == check]
        return found.state

    story = good()
    story.entry("fault")["fault"] = "any"
    assert state(story) == State.KEPT

    leave_out(story)
    assert state(story) == State.NOT_TRIED

    story.entry("fault").update(fault=fault, landed=False)
    assert state(story) == State.NOT_TRIED

    story.entry("fault")["landed"] = True
    assert state(story) == State.BROKEN


def test_a_process_may_die_while_the_disk_is_full_and_an_agent_by_a_kill() -> None:
    story = good()
    story.note("died", 5.0, part="worker", code=1)
    assert "nobody-dies-unasked" in broken(story)

    story.entry("fault")["fault"] = "fill the disk"
    assert "nobody-dies-unasked" not in broken(story)


def test_who_names_no_lease_or_goes_on_under_a_later_one_is_judged_by_attempts_alone() -> None:
    def objections(agent: str) -> set[str]:
        story = good()
        for run in ("r2", "r3"):
            story.entry("run", run=run)["agent"] = agent
        story.row("checkpoint", intent=REDONE)["value"]["run"] = "r2"
        return broken(story)

    assert "superseded-attempts-write-nothing" in objections("hasty")
    assert "superseded-attempts-write-nothing" not in objections("socket")
    assert "superseded-attempts-write-nothing" not in objections("axme")


def test_work_that_goes_on_under_a_later_attempt_may_say_so() -> None:
    story = good()
    story.entry("run", run="r4")["attempt"] = 1

    assert "ended-for-a-reason" not in broken(story)


def test_a_cancellation_of_which_nobody_heard_may_have_been_done() -> None:
    story = good()
    asked = story.entry("invoke", do="cancel")
    story.entry("ok", op=asked["op"])["kind"] = "unknown"

    assert broken(story) == set()


def test_the_promises_of_the_run_name_the_limits_that_are_compared() -> None:
    rest, size = promise_of("processes-return-to-rest"), promise_of(OF_SIZE)

    assert (
        f" {running.MORE_DESCRIPTORS} descriptors, {running.MORE_THREADS} threads, {running.MORE_TASKS} tasks"
        in rest
    )
    assert f" {running.MEMORY_BYTES // 1024**2} MiB and a quarter more, on average" in rest
    assert running.MORE_MEMORY == 1.25
    assert f" {running.LEAST_SHARE:.0%} of requests" in size
