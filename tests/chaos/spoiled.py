"""Good stories, each spoiled in one way: what is accepted, handed over and written goes wrong."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.stories import CANCELED, DONE, REDONE, RETRIED, Story


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


def _hand_to_hasty_agents(story: Story) -> None:
    """Who says under which lease it writes."""
    for run in ("r2", "r3", "r4"):
        story.entry("run", run=run)["agent"] = "hasty"


def record_a_result_of_what_was_given_back(story: Story) -> None:
    _hand_to_hasty_agents(story)
    story.rows = [
        row for row in story.rows if (row.get("intent"), row.get("seq")) not in ((REDONE, 7), (REDONE, 6))
    ]
    story.row("event", intent=REDONE, seq=8)["details"]["result"].update(run="r2", attempt=1)


def record_a_step_of_what_was_given_back(story: Story) -> None:
    _hand_to_hasty_agents(story)
    story.row("checkpoint", intent=REDONE)["value"]["run"] = "r2"


def write_in_turns_of_what_was_given_back(story: Story) -> None:
    _hand_to_hasty_agents(story)
    for run, at in (("r3", 3.75), ("r2", 3.9)):
        story.entry("run", run=run)["lease"] = f"lease of {run}"
        story.request("acknowledge", at, intent=REDONE, lease=f"lease of {run}", attempt=1)


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


def list_a_foreign_intent_to_who_looks_on(story: Story) -> None:
    story.request("list", 5.0, answer={"intents": [DONE]}, tenant="birch")


def list_a_foreign_intent(story: Story) -> None:
    story.note("listed", 14.0, tenant="birch", intents={DONE: "COMPLETED"})


#: How a good story is spoiled, and the check that has to object.
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
    (record_a_result_of_what_was_given_back, "superseded-attempts-write-nothing"),
    (record_a_step_of_what_was_given_back, "superseded-attempts-write-nothing"),
    (write_in_turns_of_what_was_given_back, "one-live-lease"),
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
    (list_a_foreign_intent_to_who_looks_on, "tenants-are-apart"),
]
