"""Good stories, each spoiled in one way: ends, those who look on, and the run itself go wrong."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.stories import DONE, LATE, REDONE, RETRIED, Story


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


def list_what_is_not_there(story: Story) -> None:
    story.entry("listed")["intents"]["i-nowhere"] = "COMPLETED"


def list_what_is_not_there_to_who_looks_on(story: Story) -> None:
    story.request("list", 5.0, answer={"intents": ["i-nowhere"]}, tenant="acorn")


def let_waiting_find_another_end(story: Story) -> None:
    story.entry("watched", how="wait_for")["status"] = "FAILED"


def swap_two_results(story: Story) -> None:
    first, second = (story.row("event", intent=each, type="intent.completed") for each in (DONE, REDONE))
    first["details"], second["details"] = second["details"], first["details"]


def record_a_result_of_another_ones_payload(story: Story) -> None:
    story.row("event", intent=DONE, seq=5)["details"]["result"]["marker"] = f"canary-acorn-{REDONE}"


def record_a_result_of_nobody(story: Story) -> None:
    story.row("event", intent=DONE, seq=5)["details"]["result"]["run"] = "r-nobody"


def record_a_result_of_another_attempt(story: Story) -> None:
    story.row("event", intent=DONE, seq=5)["details"]["result"]["attempt"] = 0


def complete_by_nobody(story: Story) -> None:
    story.row("event", intent=DONE, seq=5)["details"]["result"] = {}


def complete_though_each_request_was_refused(story: Story) -> None:
    story.entry("run", run="r1")["agent"] = "hasty"
    story.request("complete", 2.9, "failed", {"code": "lease_lost"}, intent=DONE, attempt=1)


def keep_a_step_of_another_intent(story: Story) -> None:
    story.row("checkpoint", intent=REDONE)["value"]["run"] = "r1"


def keep_the_value_of_another_step(story: Story) -> None:
    story.row("checkpoint", intent=REDONE)["value"]["step"] = "step-1"


def inherit_a_step_of_a_stranger(story: Story) -> None:
    story.step(RETRIED, "step-0", 8.0, "r3", 0)


def cancel_by_nobody(story: Story) -> None:
    asked = story.entry("invoke", do="cancel")
    story.entry("ok", op=asked["op"])["kind"] = "failed"


def end_before_the_deadline(story: Story) -> None:
    story.row("intent", id=LATE)["deadline"] = 12.2


def end_without_a_deadline(story: Story) -> None:
    story.row("intent", id=LATE)["deadline"] = None


def give_up_too_early(story: Story) -> None:
    story.row("intent", id=RETRIED)["maximum"] = 30


def fail_for_no_reason(story: Story) -> None:
    story.row("event", intent=RETRIED, type="intent.delivery_failed")["type"] = "intent.in_progress"


def lose_a_web_process(story: Story) -> None:
    story.note("died", 9.0, part="web-1", code=1)


def have_an_agent_that_crashes(story: Story) -> None:
    story.note("died", 9.0, part="axme-0", code=1)


def have_a_load_that_fails(story: Story) -> None:
    story.entry("load ended")["code"] = 1


def have_a_load_that_vanishes(story: Story) -> None:
    story.entries.remove(story.entry("stopped"))


def have_a_crowd_that_crashes(story: Story) -> None:
    story.note("crashed", 9.0, who="load-0", what="Load.cancel", error="KeyError('intent')")


def measure_nothing_while_no_ring_is_heard(story: Story) -> None:
    story.entries.remove(story.entry("probe"))
    story.entry("fault")["fault"] = "drop all rings"


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


#: How a good story is spoiled, and the check that has to object.
BAD: list[tuple[Callable[[Story], None], str]] = [
    (stream_with_a_hole, "observers-converge"),
    (stream_without_an_end, "observers-converge"),
    (say_nothing_to_who_looks_last, "observers-converge"),
    (never_answer_who_looks_last, "observers-converge"),
    (give_no_list, "observers-converge"),
    (tell_another_outcome, "observers-converge"),
    (leave_one_out_of_the_list, "observers-converge"),
    (never_tell_an_outcome, "observers-converge"),
    (list_what_is_not_there, "observers-converge"),
    (list_what_is_not_there_to_who_looks_on, "observers-converge"),
    (let_waiting_find_another_end, "observers-converge"),
    (swap_two_results, "ended-for-a-reason"),
    (record_a_result_of_another_ones_payload, "ended-for-a-reason"),
    (record_a_result_of_nobody, "ended-for-a-reason"),
    (record_a_result_of_another_attempt, "ended-for-a-reason"),
    (complete_by_nobody, "ended-for-a-reason"),
    (complete_though_each_request_was_refused, "ended-for-a-reason"),
    (keep_a_step_of_another_intent, "ended-for-a-reason"),
    (keep_the_value_of_another_step, "ended-for-a-reason"),
    (inherit_a_step_of_a_stranger, "ended-for-a-reason"),
    (cancel_by_nobody, "ended-for-a-reason"),
    (end_before_the_deadline, "ended-for-a-reason"),
    (end_without_a_deadline, "ended-for-a-reason"),
    (give_up_too_early, "ended-for-a-reason"),
    (fail_for_no_reason, "ended-for-a-reason"),
    (lose_a_web_process, "nobody-dies-unasked"),
    (have_an_agent_that_crashes, "nobody-dies-unasked"),
    (have_a_load_that_fails, "nobody-dies-unasked"),
    (have_a_load_that_vanishes, "nobody-dies-unasked"),
    (have_a_crowd_that_crashes, "nobody-dies-unasked"),
    (measure_nothing_while_no_ring_is_heard, "delivered-without-rings"),
    (leave_one_open, "everything-ends"),
    (leave_one_owed, "everything-ends"),
    (deliver_by_rings_alone, "delivered-without-rings"),
    (have_a_fault_miss, "faults-landed"),
    (have_no_fault, "faults-landed"),
    (leak_descriptors, "processes-return-to-rest"),
    (leak_tasks, "processes-return-to-rest"),
    (leak_memory, "processes-return-to-rest"),
]
