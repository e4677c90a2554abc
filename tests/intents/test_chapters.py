"""Histories in chapters: attempts, what became of them, gaps to scale, and windows on long ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, strategies as st

from intents.chapters import Chapter, Fate, Mark, divide, gap_step, spans, window

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def handed(seq: int, attempt: int) -> Mark:
    return Mark(seq, "intent.in_progress", at(seq), handed=attempt)


def fates(chapters: list[Chapter]) -> list[Fate | None]:
    return [chapter.fate for chapter in chapters]


def test_a_history_without_an_attempt_is_one_chapter() -> None:
    [only] = divide([], last=2, created_at=START, is_held=False)

    assert (only.attempt, only.first, only.last, only.fate) == (0, 1, 2, None)


def test_each_handing_over_begins_a_chapter() -> None:
    chapters = divide(
        [handed(3, 1), handed(6, 2), Mark(9, "intent.completed", at(9))],
        last=9,
        created_at=START,
        is_held=False,
    )

    assert [(each.attempt, each.first, each.last) for each in chapters] == [(0, 1, 2), (1, 3, 5), (2, 6, 9)]
    assert fates(chapters) == [None, Fate.LOST, Fate.COMPLETED]
    assert [each.lasted for each in chapters[1:]] == [3, 3]


def test_the_newest_attempt_runs_while_somebody_holds_it_and_is_lost_when_nobody_does() -> None:
    marks = [handed(3, 1)]

    assert fates(divide(marks, last=4, created_at=START, is_held=True)) == [None, Fate.RUNNING]
    assert fates(divide(marks, last=4, created_at=START, is_held=False)) == [None, Fate.LOST]


def test_attempts_given_back_taken_away_and_handed_back_are_told_apart() -> None:
    marks = [
        handed(3, 1),
        Mark(4, "intent.submitted", at(4), is_returned=True),
        handed(5, 1),
        Mark(6, "intent.in_progress", at(6), is_released=True),
        handed(7, 2),
        Mark(8, "intent.in_progress", at(8), is_released=True, is_taken=True),
        handed(9, 3),
        Mark(10, "intent.delivery_failed", at(10)),
        Mark(11, "intent.failed", at(10)),
    ]

    chapters = divide(marks, last=11, created_at=START, is_held=False)

    assert fates(chapters) == [None, Fate.RETURNED, Fate.RELEASED, Fate.TAKEN, Fate.LOST]


@given(last=st.integers(1, 20_000), around=st.none() | st.integers(1, 20_000))
def test_a_window_shows_both_ends_once_and_hides_the_rest(last: int, around: int | None) -> None:
    if around is not None and around > last:
        around = None
    shown = window(last, head=50, tail=150, around=around)

    assert shown.runs[0][0] == 1
    assert shown.runs[-1][1] == last
    assert all(a[1] < b[0] - 1 for a, b in pairwise(shown.runs))
    hidden = sum(end - first + 1 for first, end in shown.hidden)
    assert sum(end - first + 1 for first, end in shown.runs) + hidden == last
    assert sum(end - first + 1 for first, end in shown.runs) <= 252
    if around is not None:
        assert shown.shows(around)


def test_nothing_worth_a_button_is_hidden() -> None:
    assert window(210, head=50, tail=150).hidden == ()
    assert window(211, head=50, tail=150).hidden == ((51, 61),)


@given(st.floats(0, 10**9), st.floats(0, 10**9))
def test_a_longer_gap_is_never_drawn_shorter(one: float, other: float) -> None:
    assert gap_step(min(one, other)) <= gap_step(max(one, other)) <= 24


def test_five_milliseconds_and_five_hours_both_read() -> None:
    steps = [gap_step(seconds) for seconds in (0, 0.005, 0.2, 4, 60, 3600, 5 * 3600)]

    assert steps == sorted(set(steps))


def test_spans_lie_within_the_whole_and_are_wide_enough_to_be_seen() -> None:
    chapters = divide([handed(3, 1), handed(4, 2)], last=9, created_at=START, is_held=True)

    drawn = spans(chapters, began_at=START, until=at(10_000))

    assert [span.kind for span in drawn] == ["lost", "running"]
    assert all(span.start >= 0 and span.start + span.length <= 1000 and span.length >= 6 for span in drawn)
