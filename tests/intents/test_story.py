"""The sentence about an intent, in every situation that it can be in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from intents import story
from intents.blocking import Blocking, Obstacle
from intents.lifecycle import WaitingReason
from intents.story import Standing, lasting, ordinal, tell

NOON = datetime(2026, 11, 23, 14, 2, 11, tzinfo=UTC)
ADDRESS = "agent://myorg/production/pipeline-7"


def told(status: str, **more: Any) -> str:
    standing: dict[str, Any] = {
        "to_agent": ADDRESS,
        "created_at": NOON - timedelta(seconds=4.2),
        "attempt": 0,
        "max_attempts": 3,
    }
    return tell(Standing(status, **(standing | more))).text(NOON)


def blocked(code: Obstacle, reason: str = "", **more: Any) -> Blocking:
    return Blocking(reason, code, "", **more)


def test_who_works_on_it_since_when_and_what_has_been_saved() -> None:
    running = {"blocking": blocked(Obstacle.HELD), "held_since": NOON, "is_started": True, "attempt": 2}

    assert told("IN_PROGRESS", **running, checkpoints=3) == (
        "Attempt 2 of 3 is running on pipeline-7 since 14:02:11, third checkpoint saved."
    )
    assert told("IN_PROGRESS", **running) == "Attempt 2 of 3 is running on pipeline-7 since 14:02:11."


def test_an_agent_that_has_not_begun_is_not_said_to_run() -> None:
    assert told("DELIVERED", blocking=blocked(Obstacle.HELD), held_since=NOON, attempt=1) == (
        "Attempt 1 of 3 was handed to pipeline-7 at 14:02:11, which has not started on it yet."
    )


def test_an_absent_agent() -> None:
    never = blocked(Obstacle.NEVER_CONNECTED, f"No agent has ever connected to {ADDRESS}.")
    gone = blocked(Obstacle.NOT_CONNECTED, f"{ADDRESS} is not connected; last seen 14:02:10Z.")

    assert told("SUBMITTED", blocking=never) == f"Waiting: no agent has ever connected to {ADDRESS}."
    assert told("SUBMITTED", blocking=gone) == f"Waiting: {ADDRESS} is not connected; last seen 14:02:10Z."
    assert told("IN_PROGRESS", blocking=gone, attempt=1).endswith(
        "last seen 14:02:10Z. Attempt 2 of 3 comes next."
    )


@pytest.mark.parametrize(
    ("code", "more", "sentence"),
    [
        (Obstacle.DUE_NOW, {}, "Being handed to pipeline-7 just now."),
        (Obstacle.DUE_NOW, {"attempt": 1}, "Being handed to pipeline-7 just now, for attempt 2 of 3."),
        (Obstacle.EXHAUSTED, {"attempt": 3}, "All 3 attempts are used up; it is about to fail."),
        (
            Obstacle.STEP,
            {"current_step": "fulfil", "step_number": 2, "steps": 4},
            "Step 2 of 4, “fulfil”, is under way.",
        ),
        (
            Obstacle.NOT_OWED,
            {},
            "In progress, and nobody's turn: it goes on when somebody resolves or resumes it.",
        ),
    ],
)
def test_what_keeps_it_from_running(code: Obstacle, more: dict[str, Any], sentence: str) -> None:
    assert told("IN_PROGRESS", blocking=blocked(code), **more) == sentence


def test_an_agent_at_its_limit_or_suspended_is_what_it_waits_for() -> None:
    full = blocked(Obstacle.AT_LIMIT, f"{ADDRESS} is at its limit of 4.")

    assert told("SUBMITTED", blocking=full) == f"Waiting: {ADDRESS} is at its limit of 4."


def test_a_delivery_that_is_due_later() -> None:
    later = blocked(Obstacle.SCHEDULED, "Redelivery at …", unblocks_at=NOON + timedelta(hours=30))

    assert told("IN_PROGRESS", blocking=later, attempt=1) == (
        "Waiting: attempt 2 of 3 is due at 2026-11-24 20:02:11."
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (WaitingReason.HUMAN, "a person"),
        (WaitingReason.TOOL, "a tool"),
        (WaitingReason.AGENT, "another agent"),
        (WaitingReason.TIME, "a point in time"),
    ],
)
def test_what_a_waiting_intent_waits_for(reason: WaitingReason, words: str) -> None:
    waiting = {"blocking": blocked(Obstacle.WAITING), "waiting_reason": reason, "waiting_since": NOON}

    assert told("WAITING", **waiting) == f"Waiting for {words} since 14:02:11."
    assert told("WAITING", **waiting, current_step="approve") == (
        f"Waiting for {words} in step “approve” since 14:02:11."
    )


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (1, "Completed at the first attempt in 4.2 s."),
        (2, "Completed after 2 attempts in 4.2 s."),
        (0, "Completed by alice without an attempt after 4.2 s."),
    ],
)
def test_a_completed_one_says_what_it_took(attempt: int, sentence: str) -> None:
    assert told("COMPLETED", attempt=attempt, ended_at=NOON, ended_by="human:alice") == sentence


def test_a_dead_letter_is_called_one() -> None:
    error = {"code": "delivery_attempts_exhausted", "message": "No attempt ended with a result."}

    assert told("FAILED", attempt=3, ending={"error": error}) == (
        "Dead letter: all 3 attempts ended without a result."
    )
    assert told("FAILED", attempt=1, ending={"error": error}) == (
        "Dead letter: its only attempt ended without a result."
    )


def test_a_failure_says_why() -> None:
    error = {"code": "agent_failed", "message": "the source  has\nno rows"}

    assert told("FAILED", attempt=2, ended_at=NOON, ending={"error": error}) == (
        "Failed after 2 attempts in 4.2 s: the source has no rows (agent_failed)."
    )
    assert told("FAILED", attempt=1, ended_at=NOON, ending={"error": "not an object"}) == (
        "Failed at the first attempt in 4.2 s."
    )


def test_a_canceled_one_says_who_when_and_why() -> None:
    canceled = {"ended_at": NOON, "ended_by": "human:alice"}

    assert told("CANCELED", **canceled, ending={"reason": "a duplicate"}) == (
        "Canceled by alice at 14:02:11: “a duplicate”."
    )
    assert told("CANCELED", ended_at=NOON, ended_by="system") == "Canceled by the server at 14:02:11."
    assert told("CANCELED", ended_at=NOON, ended_by=ADDRESS) == "Canceled by pipeline-7 at 14:02:11."


def test_a_deadline_that_passed() -> None:
    assert told("TIMED_OUT", deadline_at=NOON) == (
        "Timed out: its deadline of 14:02:11 passed before anybody took it."
    )
    assert told("TIMED_OUT", deadline_at=NOON, attempt=2) == (
        "Timed out: its deadline of 14:02:11 passed in attempt 2 of 3."
    )


def test_every_obstacle_has_its_sentence() -> None:
    for code in Obstacle:
        standing = Standing("IN_PROGRESS", ADDRESS, NOON, 1, 3, blocking=blocked(code, "It is so."))
        if code is Obstacle.WAITING:
            standing = replace(standing, waiting_reason=WaitingReason.HUMAN)
        sentence = tell(standing)
        assert sentence.text(NOON).endswith(".")
        assert sentence.tone in ("running", "waiting", "blocked", "bad")


def test_somebody_elses_words_are_no_longer_than_a_sentence_bears() -> None:
    assert len(story.quote("x" * 10_000)) == story.LONGEST_QUOTE
    assert story.quote("a\r\n\tb") == "a b"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.0052, "5 ms"),
        (0.9996, "1.0 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (5 * 3600 + 12 * 60 + 3, "5 h 12 min"),
        (2 * 86400 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_places_in_a_row() -> None:
    assert [ordinal(each) for each in (1, 3, 12, 13, 21, 22, 33, 111, 112, 1001)] == [
        *"first third twelfth 13th 21st 22nd 33rd 111th 112th 1001st".split()
    ]
