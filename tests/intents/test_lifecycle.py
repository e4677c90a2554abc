"""The life of an intent, as pure transitions."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, strategies as st

from intents.lifecycle import (
    LEGACY_STATUS,
    OPEN,
    SIGNALS,
    TERMINAL,
    TERMINAL_EVENTS,
    TRANSITIONS,
    EventType,
    InvalidTransition,
    Status,
    next_status,
    replay,
)

BEGINNING = [EventType.CREATED, EventType.SUBMITTED]

#: What the protocol asks for, status by status.
PROTOCOL = {
    Status.CREATED: "SUBMITTED",
    Status.SUBMITTED: "DELIVERED IN_PROGRESS WAITING FAILED CANCELED",
    Status.DELIVERED: "ACKNOWLEDGED IN_PROGRESS WAITING FAILED CANCELED",
    Status.ACKNOWLEDGED: "IN_PROGRESS WAITING FAILED CANCELED",
    Status.IN_PROGRESS: "WAITING COMPLETED FAILED CANCELED",
    Status.WAITING: "IN_PROGRESS FAILED CANCELED",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [(before, after) for before, reached in PROTOCOL.items() for after in reached.split()],
)
def test_every_transition_of_the_protocol_is_possible(before: Status, after: str) -> None:
    assert next_status(before, EventType(f"intent.{after.lower()}")) == after


@pytest.mark.parametrize(("before", "event"), [*product(sorted(OPEN), TERMINAL_EVENTS)])
def test_whatever_is_open_may_end_in_any_way(before: Status, event: EventType) -> None:
    assert next_status(before, event) == TERMINAL_EVENTS[event]


@pytest.mark.parametrize(("before", "event"), [*product(sorted(TERMINAL), EventType)])
def test_nothing_follows_an_end(before: Status, event: EventType) -> None:
    with pytest.raises(InvalidTransition):
        next_status(before, event)


@pytest.mark.parametrize(("status", "event"), [*product(sorted(OPEN), sorted(SIGNALS))])
def test_a_signal_moves_nothing(status: Status, event: EventType) -> None:
    assert next_status(status, event) == status


def test_an_agent_cannot_be_given_twice_what_was_delivered_once() -> None:
    with pytest.raises(InvalidTransition, match=r"intent\.delivered cannot follow DELIVERED"):
        replay([*BEGINNING, EventType.DELIVERED, EventType.DELIVERED])


def test_an_attempt_given_back_before_it_started_can_be_delivered_again() -> None:
    history = [*BEGINNING, EventType.DELIVERED, EventType.SUBMITTED, EventType.DELIVERED]

    assert replay(history) == Status.DELIVERED


def test_nothing_is_what_an_intent_has_before_its_first_event() -> None:
    assert replay([]) == Status.CREATED


def test_a_dead_letter_has_failed_and_then_says_so() -> None:
    letter = [*BEGINNING, EventType.DELIVERY_FAILED]

    assert replay(letter) == Status.FAILED
    assert replay([*letter, EventType.FAILED]) == Status.FAILED


@pytest.mark.parametrize("event", sorted(set(EventType) - {EventType.FAILED}))
def test_only_its_failure_follows_a_dead_letter(event: EventType) -> None:
    with pytest.raises(InvalidTransition):
        replay([*BEGINNING, EventType.DELIVERY_FAILED, event])


def test_an_event_that_nobody_knows_is_no_history() -> None:
    with pytest.raises(ValueError, match=r"intent\.abandoned"):
        replay([*BEGINNING, "intent.abandoned"])


@given(st.lists(st.sampled_from(EventType), max_size=12))
def test_a_history_is_read_the_same_whole_or_event_by_event(events: list[EventType]) -> None:
    status = Status.CREATED
    try:
        for place, event in enumerate(events):
            after_letter = place > 0 and events[place - 1] == EventType.DELIVERY_FAILED
            status = (
                Status.FAILED if after_letter and event == EventType.FAILED else next_status(status, event)
            )
    except InvalidTransition:
        with pytest.raises(InvalidTransition):
            replay(events)
    else:
        assert replay(map(str, events)) == status
        assert sum(event in TERMINAL_EVENTS for event in events) <= 1


def test_every_status_and_every_event_has_its_place() -> None:
    assert OPEN | TERMINAL == set(Status) == set(LEGACY_STATUS)
    assert not OPEN & TERMINAL
    assert set(TRANSITIONS) | SIGNALS == set(EventType)
    assert {reached for _, reached in TRANSITIONS.values()} == set(Status)
