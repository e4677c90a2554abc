"""The checker is told invented runs: it is content with the good one, and objects to each bad one by the right name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.checker import running
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.verdicts import CHECKS, judge
from tests.chaos.stories import CANCELED, DONE, REDONE, RETRIED, Story, good
from tests.servers import REPOSITORY

#: That a run was large enough is no question to a story of four intents.
OF_SIZE = "load-was-real"


def broken(story: Story) -> set[str]:
    """The names of the checks that object."""
    return {verdict.name for verdict in judge(story.evidence()) if not verdict.is_kept} - {OF_SIZE}


def lose_an_intent(story: Story) -> None:
    story.rows = [row for row in story.rows if CANCELED not in (row.get("id"), row.get("intent"))]
    del story.entry("listed")["intents"][CANCELED]
    story.entries = [
        entry for entry in story.entries if entry.get("intent") != CANCELED or entry["do"] == "submit"
    ]


def lose_a_retry(story: Story) -> None:
    story.rows = [row for row in story.rows if RETRIED not in (row.get("id"), row.get("intent"))]
    del story.entry("listed")["intents"][RETRIED]


def keep_another_payload(story: Story) -> None:
    story.row("intent", id=CANCELED)["marker"] = "canary-acorn-other"


def not_know_what_was_accepted(story: Story) -> None:
    story.request("read", 1.4, "failed", {"status": 404}, intent=DONE)


def answer_a_key_with_two_intents(story: Story) -> None:
    marker = f"canary-acorn-{DONE}"
    story.request("submit", 2.0, answer={"intent": REDONE}, marker=marker, key=f"key-{DONE}")
    story.row("intent", id=REDONE)["marker"] = marker
    for entry in story.entries:
        if entry.get("marker") == f"canary-acorn-{REDONE}":
            entry["marker"] = marker


def store_a_request_twice(story: Story) -> None:
    story.intent("i-twice", "created@1 submitted@1 canceled@2", marker=f"canary-acorn-{DONE}")
    story.entry("listed")["intents"]["i-twice"] = "CANCELED"


def store_what_was_refused(story: Story) -> None:
    story.intent("i-refused", "created@12 submitted@12 canceled@13", marker="canary-acorn-bad")
    story.entry("listed")["intents"]["i-refused"] = "CANCELED"


def end_twice(story: Story) -> None:
    story.intent("i-ends", "created@1 submitted@1 completed@2 canceled@3", seq=4)
    story.entry("listed")["intents"]["i-ends"] = "CANCELED"


def skip_a_number(story: Story) -> None:
    story.row("event", intent=CANCELED, seq=3)["seq"] = 4


def follow_what_cannot_be_followed(story: Story) -> None:
    story.row("event", intent=DONE, seq=2)["type"] = "intent.acknowledged"


def be_what_the_history_does_not_say(story: Story) -> None:
    story.row("intent", id=DONE)["status"] = "FAILED"
    for entry in story.entries:
        if entry["kind"] == "watched":
            entry.update(status="FAILED")
    story.entry("listed")["intents"][DONE] = "FAILED"


def count_an_attempt_twice(story: Story) -> None:
    story.row("event", intent=REDONE, seq=7)["details"]["delivery_attempt"] = 1


def give_back_for_ever(story: Story) -> None:
    story.intent(
        "i-back",
        "created@1 submitted@1 delivered@2:1"
        + " submitted@3:returned delivered@3:1" * 4
        + " in_progress@4 completed@5:r9/1",
    )
    story.entry("listed")["intents"]["i-back"] = "COMPLETED"


def try_too_often(story: Story) -> None:
    story.row("intent", id=REDONE)["maximum"] = 1


def work_more_often_than_handed_over(story: Story) -> None:
    story.note("run", 2.5, intent=DONE, run="r8", attempt=1, seq=2, agent="axme", who="axme-1")


def confirm_a_cancellation_that_is_none(story: Story) -> None:
    story.request("cancel", 9.0, intent=DONE)


def confirm_two_endings(story: Story) -> None:
    story.request("cancel", 11.0, intent=CANCELED)


def record_a_late_result(story: Story) -> None:
    story.row("event", intent=REDONE, seq=8)["details"]["result"] = {"run": "r3", "attempt": 1}


def record_a_late_step(story: Story) -> None:
    story.step(REDONE, "step-1", 5.5, "r3", 1)
    story.row("event", intent=REDONE, seq=6)["details"]["checkpoint"] = {"step": "step-1"}
    story.row("checkpoint", intent=REDONE, step="step-0")["attempt"] = 0


def owe_twice(story: Story) -> None:
    for lease in ("a", "b"):
        story.rows.append({"table": "delivery", "intent": "i-owed", "attempt": 1, "lease": lease})


def hand_one_lease_to_two(story: Story) -> None:
    story.entry("run", run="r4")["seq"] = 3


def write_in_turns(story: Story) -> None:
    for at, attempt, lease in ((5.2, 2, "new"), (5.4, 1, "old")):
        story.request("acknowledge", at, intent=REDONE, lease=lease, attempt=attempt)


def do_a_step_again(story: Story) -> None:
    story.note("step", 5.3, intent=REDONE, run="r4", step="step-0", attempt=2, who="socket-b")


def do_an_inherited_step_again(story: Story) -> None:
    story.row("checkpoint", intent=REDONE, step="step-0")["attempt"] = None
    do_a_step_again(story)


def take_a_result_of_a_killed_agent(story: Story) -> None:
    story.request("complete", 10.35, intent=DONE, agent="doomed")


def tell_of_a_step_that_is_not_there(story: Story) -> None:
    story.rows.remove(story.row("checkpoint", intent=REDONE))


def show_a_foreign_payload(story: Story) -> None:
    story.note("seen", 3.0, tenants=["acorn", "birch"], tenant="acorn")


def answer_a_spy(story: Story) -> None:
    story.request("spy", 3.0, intent=DONE, who="load-1")


def list_a_foreign_intent(story: Story) -> None:
    story.note("listed", 14.0, tenant="birch", intents={DONE: "COMPLETED"})


def stream_with_a_hole(story: Story) -> None:
    del story.entry("watched", how="stream")["events"][1]


def stream_without_an_end(story: Story) -> None:
    story.entry("watched", how="stream")["events"] = [[3, "intent.delivered"], [3, "intent.delivered"]]


def say_nothing_to_who_looks_last(story: Story) -> None:
    story.entry("watched", how="stream", who="observer-acorn")["events"] = []


def never_answer_who_looks_last(story: Story) -> None:
    story.entries.remove(story.entry("watched", how="events", who="observer-acorn"))


def give_no_list(story: Story) -> None:
    story.note("unlisted", 14.0, tenant="acorn", status=500)


def tell_another_outcome(story: Story) -> None:
    story.entry("watched", how="websocket")["status"] = "FAILED"


def leave_one_out_of_the_list(story: Story) -> None:
    del story.entry("listed")["intents"][DONE]


def never_tell_an_outcome(story: Story) -> None:
    story.note("unobserved", 14.0, how="websocket", intents=[DONE])


def leave_one_open(story: Story) -> None:
    story.intent("i-open", "created@1 submitted@1 delivered@2:1")
    story.entry("listed")["intents"]["i-open"] = "DELIVERED"


def leave_one_owed(story: Story) -> None:
    story.rows.append({"table": "delivery", "intent": DONE, "attempt": 1, "lease": None})


def deliver_by_rings_alone(story: Story) -> None:
    story.entry("probe")["seconds"] = None


def have_a_fault_miss(story: Story) -> None:
    story.entry("fault")["landed"] = False


def have_no_fault(story: Story) -> None:
    story.entries.remove(story.entry("fault"))


def leak_descriptors(story: Story) -> None:
    story.entry("resources", when="after")["descriptors"] = 500


def leak_tasks(story: Story) -> None:
    story.entry("resources", when="before")["tasks"] = 20
    story.entry("resources", when="after")["tasks"] = 90


def leak_memory(story: Story) -> None:
    story.entry("resources", when="after")["rss"] = 10**9


BAD: list[tuple[Callable[[Story], None], str]] = [
    (lose_an_intent, "accepted-intents-are-kept"),
    (lose_a_retry, "accepted-intents-are-kept"),
    (keep_another_payload, "accepted-intents-are-kept"),
    (not_know_what_was_accepted, "accepted-intents-are-found-at-once"),
    (answer_a_key_with_two_intents, "one-intent-per-key"),
    (store_a_request_twice, "one-intent-per-key"),
    (store_what_was_refused, "refusals-leave-nothing"),
    (end_twice, "one-terminal-event-each"),
    (skip_a_number, "histories-have-no-gap"),
    (follow_what_cannot_be_followed, "transitions-are-legal"),
    (be_what_the_history_does_not_say, "transitions-are-legal"),
    (count_an_attempt_twice, "attempts-are-counted"),
    (give_back_for_ever, "attempts-are-counted"),
    (try_too_often, "attempts-stay-within-the-maximum"),
    (work_more_often_than_handed_over, "attempts-stay-within-the-maximum"),
    (confirm_a_cancellation_that_is_none, "endings-that-were-confirmed-stand"),
    (confirm_two_endings, "endings-that-were-confirmed-stand"),
    (record_a_late_result, "superseded-attempts-write-nothing"),
    (record_a_late_step, "superseded-attempts-write-nothing"),
    (owe_twice, "one-live-lease"),
    (hand_one_lease_to_two, "one-live-lease"),
    (write_in_turns, "one-live-lease"),
    (do_a_step_again, "steps-are-done-once"),
    (do_an_inherited_step_again, "steps-are-done-once"),
    (take_a_result_of_a_killed_agent, "killed-agents-write-nothing"),
    (tell_of_a_step_that_is_not_there, "steps-are-stored-once"),
    (show_a_foreign_payload, "tenants-are-apart"),
    (answer_a_spy, "tenants-are-apart"),
    (list_a_foreign_intent, "tenants-are-apart"),
    (stream_with_a_hole, "observers-converge"),
    (stream_without_an_end, "observers-converge"),
    (say_nothing_to_who_looks_last, "observers-converge"),
    (never_answer_who_looks_last, "observers-converge"),
    (give_no_list, "observers-converge"),
    (tell_another_outcome, "observers-converge"),
    (leave_one_out_of_the_list, "observers-converge"),
    (never_tell_an_outcome, "observers-converge"),
    (leave_one_open, "everything-ends"),
    (leave_one_owed, "everything-ends"),
    (deliver_by_rings_alone, "delivered-without-rings"),
    (have_a_fault_miss, "faults-landed"),
    (have_no_fault, "faults-landed"),
    (leak_descriptors, "processes-return-to-rest"),
    (leak_tasks, "processes-return-to-rest"),
    (leak_memory, "processes-return-to-rest"),
]


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
    end_twice(story)
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
    assert "BROKEN one-terminal-event-each" in judged.stdout
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
