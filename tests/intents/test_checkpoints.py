"""Checkpoints in the ledger: the first write wins, under the fence, within the limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.models import Agent
from intents import ledger, progress
from intents.errors import Outcome
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Checkpoint, Delivery, Event, Intent
from intents.records import Ending, Hold, Report, Save, Saved, Wait
from intents.signals import Changes
from tests.intents.factories import history, hold, make_delivery, make_intent, make_recipient, slot
from tests.intents.racing import assert_all_is_consistent, at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def save(of: Intent | Delivery, step: str = "extract", value: bytes = b"{}", **who: Any) -> Save:
    return Save(hold(of, **who), step, "application/json", value)


def outcomes(*asked: Save) -> list[Outcome]:
    return [saved.outcome for saved in ledger.checkpoint(asked)]


def steps(intent_id: UUID) -> list[str]:
    found = Checkpoint.objects.filter(intent=intent_id).order_by("position")
    return list(found.values_list("step", flat=True))


def run_out(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(lease_expires_at=delivery.due_at)


# -- the first write wins ---------------------------------------------------------------------------------


def test_a_step_is_stored_with_its_event(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5, attempt=2)

    [saved] = ledger.checkpoint([save(delivery, value=b"\x00\xff", actor="me")])

    assert saved.outcome == Outcome.DONE
    assert (saved.checkpoint["attempt"], saved.checkpoint["value"]) == (2, b"\x00\xff")
    stored = Checkpoint.objects.get(intent=delivery.intent)
    assert (stored.step, bytes(stored.value), stored.size, stored.attempt) == ("extract", b"\x00\xff", 2, 2)
    assert stored.at == saved.checkpoint["at"]
    event = Event.objects.filter(intent=delivery.intent).latest("seq")
    assert (event.type, event.status, event.actor) == ("intent.in_progress", "IN_PROGRESS", "me")
    assert event.details == {"checkpoint": {"step": "extract", "size": 2, "content_type": "application/json"}}
    delivery.intent.refresh_from_db()
    assert (delivery.intent.seq, delivery.intent.status) == (event.seq, Status.IN_PROGRESS)
    assert (delivery.intent.checkpoint_count, delivery.intent.checkpoint_bytes) == (1, 2)
    assert_all_is_consistent()


def test_a_second_write_is_answered_what_is_stored_and_leaves_no_event(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    ledger.checkpoint([save(delivery, value=b"1")])
    before = history(delivery.intent_id)

    [saved] = ledger.checkpoint([save(delivery, value=b"2")])

    assert saved.outcome == Outcome.REPEATED
    assert bytes(saved.checkpoint["value"]) == b"1"
    assert history(delivery.intent_id) == before


def test_many_steps_of_many_intents_are_saved_at_once_each_by_itself(agent: Agent) -> None:
    first, second, ended = (make_delivery(agent, lease_ends_in=5) for _ in range(3))
    ledger.finish([Ending(hold(ended), EventType.COMPLETED)])
    ledger.checkpoint([save(second, "b", b"old")])

    saved = ledger.checkpoint(
        [
            save(first, "a", b"1"),
            save(second, "b", b"new"),
            save(first, "b", b"22"),
            save(first, "a", b"other"),
            save(ended, "a"),
            Save(Hold(uuid4(), agent.organization_id), "a", "text/plain", b""),
            save(second, "a", b""),
        ]
    )

    assert [each.outcome for each in saved] == [
        "done", "repeated", "done", "repeated", "already_ended", "unknown", "done",
    ]  # fmt: skip
    assert [bytes(saved[place].checkpoint["value"]) for place in (1, 3)] == [b"old", b"1"]
    assert steps(first.intent_id) == ["a", "b"]
    assert steps(second.intent_id) == ["b", "a"]
    assert list(Checkpoint.objects.filter(intent=first.intent).values_list("size", flat=True)) == [1, 2]
    assert_all_is_consistent()


@pytest.mark.django_db(transaction=True)
def test_of_fifty_writers_at_once_one_wins_and_all_hear_the_same() -> None:
    delivery = make_delivery(make_recipient(), lease_ends_in=60)

    def write(number: int) -> Callable[[], list[Saved]]:
        return lambda: ledger.checkpoint([save(delivery, value=b"%d" % number)])

    answers = at_once([write(number) for number in range(50)])

    saved = [answer for [answer] in answers]
    assert sorted(each.outcome for each in saved) == ["done"] + ["repeated"] * 49
    assert len({bytes(each.checkpoint["value"]) for each in saved}) == 1
    assert history(delivery.intent_id).count("intent.in_progress") == 1
    assert_all_is_consistent()


# -- fences -----------------------------------------------------------------------------------------------


def test_a_superseded_attempt_saves_nothing(agent: Agent) -> None:
    stale = make_delivery(agent, lease_ends_in=-5)
    [current] = ledger.claim([slot(agent)])

    assert outcomes(save(stale, token=stale.lease_token)) == [Outcome.LEASE_LOST]
    assert outcomes(save(stale, session=stale.lease_session)) == [Outcome.LEASE_LOST]
    assert not steps(stale.intent_id)
    assert outcomes(save(stale, token=current.lease_token)) == [Outcome.DONE]
    assert outcomes(save(stale, "next", session=current.lease_session)) == [Outcome.DONE]


def test_also_what_is_stored_is_not_shown_under_a_lost_lease(agent: Agent) -> None:
    stale = make_delivery(agent, lease_ends_in=-5)
    assert outcomes(save(stale, token=stale.lease_token)) == [Outcome.DONE]
    run_out(stale)
    ledger.claim([slot(agent)])

    [late] = ledger.checkpoint([save(stale, token=stale.lease_token)])

    assert (late.outcome, late.checkpoint) == (Outcome.LEASE_LOST, {})


def test_strangers_save_nothing(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    stranger = make_recipient()
    neighbour = make_recipient(beside=agent)

    theirs = Save(Hold(delivery.intent_id, stranger.organization_id), "a", "text/plain", b"")
    assert outcomes(theirs, save(delivery, agent_id=neighbour.pk)) == [Outcome.UNKNOWN, Outcome.FORBIDDEN]
    assert not steps(delivery.intent_id)


def test_what_has_ended_or_waits_takes_no_checkpoint(agent: Agent) -> None:
    ended, waiting = make_delivery(agent, lease_ends_in=5), make_delivery(agent, lease_ends_in=5)
    ledger.finish([Ending(hold(ended), EventType.CANCELED)])
    ledger.wait([Wait(waiting.intent_id, WaitingReason.HUMAN)])

    assert outcomes(save(ended), save(waiting)) == [Outcome.ALREADY_ENDED, Outcome.LEASE_LOST]
    assert history(waiting.intent_id)[-1] == "intent.waiting"


def test_a_checkpoint_is_a_sign_of_having_started_and_renews_the_lease(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)

    ledger.checkpoint([save(delivery, token=delivery.lease_token)])

    seen = Delivery.objects.get(pk=delivery.pk)
    assert seen.started_at is not None
    assert seen.lease_expires_at is not None
    assert delivery.lease_expires_at is not None
    assert (seen.lease_expires_at - delivery.lease_expires_at).total_seconds() > 20


def test_a_lease_that_was_just_renewed_is_left_as_it_is(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    ledger.checkpoint([save(delivery, "a")])
    renewed = Delivery.objects.get(pk=delivery.pk).lease_expires_at

    ledger.checkpoint([save(delivery, "b")])

    assert Delivery.objects.get(pk=delivery.pk).lease_expires_at == renewed


# -- limits -----------------------------------------------------------------------------------------------


def test_an_intent_has_so_many_checkpoints_and_no_more(agent: Agent, settings: Any) -> None:
    settings.PERDURE_CHECKPOINTS_PER_INTENT = 3
    delivery = make_delivery(agent, lease_ends_in=5)
    other = make_delivery(agent, lease_ends_in=5)
    ledger.checkpoint([save(delivery, "a")])

    asked = [save(delivery, step) for step in ("b", "a", "c", "d")]
    assert outcomes(*asked, save(other, "d")) == ["done", "repeated", "done", "too_many", "done"]
    assert outcomes(save(delivery, "e"), save(delivery, "c")) == ["too_many", "repeated"]
    assert steps(delivery.intent_id) == ["a", "b", "c"]
    assert_all_is_consistent()


def test_an_intent_has_so_many_bytes_and_no_more(agent: Agent, settings: Any) -> None:
    settings.PERDURE_CHECKPOINT_BYTES_PER_INTENT = 10
    delivery = make_delivery(agent, lease_ends_in=5)

    assert outcomes(save(delivery, "a", b"12345"), save(delivery, "b", b"12345")) == ["done", "done"]
    assert outcomes(save(delivery, "c", b"1"), save(delivery, "d", b"")) == ["too_large", "too_large"]
    assert outcomes(save(delivery, "d", b"")) == ["done"]
    assert_all_is_consistent()


def test_a_step_named_twice_beyond_the_limit_is_refused_twice_and_its_neighbour_saved(
    agent: Agent, settings: Any
) -> None:
    full, other = (make_delivery(agent, lease_ends_in=5) for _ in range(2))

    settings.PERDURE_CHECKPOINTS_PER_INTENT = 1
    assert outcomes(save(full, "a"), save(full, "b"), save(full, "b"), save(other, "b"), save(other, "b")) == [
        "done", "too_many", "too_many", "done", "repeated",
    ]  # fmt: skip
    assert outcomes(save(full, "b"), save(full, "a"), save(full, "b"), save(full, "a")) == [
        "too_many", "repeated", "too_many", "repeated",
    ]  # fmt: skip
    settings.PERDURE_CHECKPOINTS_PER_INTENT = 9
    settings.PERDURE_CHECKPOINT_BYTES_PER_INTENT = 4
    assert outcomes(save(full, "b", b"123"), save(full, "a"), save(full, "b", b"123")) == [
        "too_large", "repeated", "too_large",
    ]  # fmt: skip
    assert steps(full.intent_id) == ["a"]
    assert_all_is_consistent()


@pytest.mark.django_db(transaction=True)
def test_who_writes_the_last_step_at_the_same_time_is_answered_what_is_stored(settings: Any) -> None:
    settings.PERDURE_CHECKPOINTS_PER_INTENT = 1
    delivery = make_delivery(make_recipient(), lease_ends_in=60)

    answers = at_once([lambda: ledger.checkpoint([save(delivery)]) for _ in range(20)])

    assert sorted(saved.outcome for [saved] in answers) == ["done"] + ["repeated"] * 19
    assert_all_is_consistent()


def test_a_step_that_has_gone_with_its_intent_before_it_could_be_read_is_unknown(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    asked = progress.checkpoint([save(delivery)], Changes())
    next(asked)
    asked.send([{"outcome": "repeated", "intent_id": delivery.intent_id}])

    with pytest.raises(StopIteration) as answered:
        asked.send([])

    assert answered.value.value == [Saved(Outcome.UNKNOWN, {})]


# -- retry ------------------------------------------------------------------------------------------------


def test_a_retry_begins_with_what_the_old_one_saved(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    ledger.checkpoint([save(delivery, "b", b"1"), save(delivery, "a", b"22")])
    ledger.finish([Ending(hold(delivery), EventType.FAILED)])
    delivery.intent.refresh_from_db()

    again = Intent.objects.get(pk=delivery.intent.retry(actor="me").intent_id)

    assert steps(again.pk) == ["b", "a"]
    assert (again.checkpoint_count, again.checkpoint_bytes) == (2, 3)
    found = list(Checkpoint.objects.filter(intent=again).order_by("position"))
    assert [(each.attempt, bytes(each.value)) for each in found] == [(0, b"1"), (0, b"22")]
    [lease] = ledger.claim([slot(agent)])
    assert [(row["step"], bytes(row["value"])) for row in lease.checkpoints] == [("b", b"1"), ("a", b"22")]
    assert outcomes(save(again, "a"), save(again, "c")) == ["repeated", "done"]
    assert steps(again.pk) == ["b", "a", "c"]
    assert_all_is_consistent()


def test_a_retry_may_start_over(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    ledger.checkpoint([save(delivery)])
    ledger.finish([Ending(hold(delivery), EventType.FAILED)])
    delivery.intent.refresh_from_db()

    again = delivery.intent.retry(actor="me", checkpoints=False)

    assert not steps(again.intent_id)


def test_a_delivery_carries_the_small_values_alone(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=-5)
    small, large = b"x" * 16 * 1024, b"x" * (16 * 1024 + 1)
    asked = [save(delivery, "large", large), *[save(delivery, f"small {n}", small) for n in range(5)]]
    assert outcomes(*asked) == ["done"] * 6
    run_out(delivery)

    [lease] = ledger.claim([slot(agent)])

    carried = {row["step"]: row["value"] is not None for row in lease.checkpoints}
    assert carried == {
        "large": False, "small 0": True, "small 1": True, "small 2": True, "small 3": True, "small 4": False,
    }  # fmt: skip


# -- usage ------------------------------------------------------------------------------------------------


def test_reports_are_events_in_order_and_fenced(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=5)
    reports = [
        Report(hold(delivery, token=delivery.lease_token), {"tokens": 1}),
        Report(hold(delivery, token=uuid4()), {"tokens": 2}),
        Report(hold(delivery), {"cost_usd": 0.5}),
    ]

    done = ledger.report(reports)

    assert [each.outcome for each in done] == ["done", "lease_lost", "done"]
    events = Event.objects.filter(intent=delivery.intent).order_by("seq")
    assert [event.details for event in events][-2:] == [
        {"usage": {"tokens": 1}}, {"usage": {"cost_usd": 0.5}},
    ]  # fmt: skip
    assert [done[0].seq, done[2].seq] == [events[3].seq, events[4].seq]
    assert Delivery.objects.get(pk=delivery.pk).started_at is not None
    assert_all_is_consistent()


def test_an_intent_that_was_never_delivered_may_be_worked_on_too(agent: Agent) -> None:
    intent = make_intent(agent)

    [saved] = ledger.checkpoint([save(intent, agent_id=agent.pk)])

    assert (saved.outcome, saved.checkpoint["attempt"]) == (Outcome.DONE, 1)
    assert_all_is_consistent()
