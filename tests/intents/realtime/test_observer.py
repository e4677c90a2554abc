"""The observer: one read for all who watch, no gap, no event twice, and nobody waits for a lost ring for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents import postgres
from agents.models import Agent
from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.lifecycle import EventType
from intents.models import Intent
from intents.realtime import observer as observing
from intents.realtime.observer import Observer, Watch
from intents.records import Ending, Report, Row
from tests.intents.factories import hold, make_intent
from tests.intents.realtime.loops import close_everything, until


@pytest.fixture
def intent(agent: Agent) -> Intent:
    return make_intent(agent)


@pytest.fixture
async def observer() -> AsyncIterator[Observer]:
    observer = Observer()
    observer.start()
    yield observer
    await observer.stop()
    await close_everything()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The statements that are asked."""
    asked: list[tuple[str, dict[str, Any]]] = []
    read = coalescer.read

    async def note(name: str, **parameters: Any) -> list[Row]:
        asked.append((name, parameters))
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", note)
    return asked


async def end(intent: Intent) -> None:
    await coalescer.finish([Ending(hold(intent), EventType.COMPLETED, {"result": {"rows": 3}})])


async def note_usage(intent: Intent, times: int) -> None:
    await coalescer.report([Report(hold(intent), {"tokens": number}) for number in range(times)])


async def collect(watch: Watch, until_seq: int) -> list[int]:
    """The numbers of the events shown, up to one."""
    seen: list[int] = []
    async with asyncio.timeout(30):
        while not seen or seen[-1] < until_seq:
            seen += [row["seq"] for row in await watch.next(1.0)]
    return seen


async def test_a_watcher_sees_what_has_happened_then_what_happens(observer: Observer, intent: Intent) -> None:
    async with observer.watch(intent.pk, after=0) as watch:
        assert await collect(watch, 2) == [1, 2]
        await end(intent)
        observer.hear({intent.pk}, {intent.pk})
        assert await collect(watch, 3) == [3]


async def test_many_watchers_of_many_intents_are_read_for_at_once(
    observer: Observer, agent: Agent, reads: list[tuple[str, dict[str, Any]]]
) -> None:
    intents = [await postgres.in_thread(make_intent, agent) for _ in range(3)]
    watches: list[Watch] = []
    async with asyncio.TaskGroup() as group:

        async def watch_one(each: Intent) -> None:
            async with observer.watch(each.pk, after=0) as watch:
                watches.append(watch)
                assert await collect(watch, 2) == [1, 2]

        for each in intents * 5:
            group.create_task(watch_one(each))

    assert len(watches) == 15
    timelines = [parameters["ids"] for name, parameters in reads if name == "timeline"]
    assert len(timelines) <= 3
    assert set(timelines[0]) == {each.pk for each in intents}


async def test_watchers_of_one_intent_each_see_all_after_their_own_cursor(
    observer: Observer, intent: Intent
) -> None:
    async with observer.watch(intent.pk, after=0) as first, observer.watch(intent.pk, after=1) as second:
        assert await collect(first, 2) == [1, 2]
        assert await collect(second, 2) == [2]
        await end(intent)
        observer.hear({intent.pk}, set())
        assert await collect(first, 3) == [3]
        assert await collect(second, 3) == [3]


async def test_a_lost_ring_costs_a_second(observer: Observer, intent: Intent) -> None:
    async with observer.watch(intent.pk, after=2) as watch:
        await end(intent)  # and nobody rings

        assert await collect(watch, 3) == [3]


async def test_a_long_history_is_read_a_piece_at_a_time_as_fast_as_its_reader_takes_it(
    observer: Observer,
    intent: Intent,
    reads: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observing, "SAFETY_SECONDS", 60.0)  # nothing comes of waiting
    monkeypatch.setattr(observing, "MOST_UNREAD", 10)
    await note_usage(intent, 33)
    async with observer.watch(intent.pk, after=0) as watch:
        pieces: list[list[int]] = []
        while not pieces or pieces[-1][-1] < 35:
            await until(lambda: watch.seen >= min(len(pieces) * 10 + 10, 35))
            pieces.append([row["seq"] for row in await watch.next(30.0)])

    assert [seq for piece in pieces for seq in piece] == list(range(1, 36))
    assert [len(piece) for piece in pieces] == [10, 10, 10, 5]
    assert {parameters["most"] for name, parameters in reads if name == "timeline"} == {10}


async def test_a_slow_reader_is_passed_over_and_misses_nothing_and_nobody_waits_for_it(
    observer: Observer,
    intent: Intent,
    reads: list[tuple[str, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observing, "MOST_UNREAD", 2)
    async with observer.watch(intent.pk, after=0) as slow, observer.watch(intent.pk, after=0) as keen:
        await until(lambda: slow.seen == 2)
        await note_usage(intent, 5)
        observer.hear({intent.pk}, set())
        assert await collect(keen, 7) == list(range(1, 8))
        asked = len(reads)
        observer.hear({intent.pk}, set())
        await until(lambda: len(reads) > asked)
        assert (slow.seen, reads[-1][1]["after"]) == (2, [7])

        assert await collect(slow, 7) == list(range(1, 8))


async def test_who_is_ahead_does_not_wait_for_who_begins(
    observer: Observer, intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "SAFETY_SECONDS", 60.0)  # nothing comes of waiting
    monkeypatch.setattr(observing, "MOST_UNREAD", 2)
    await note_usage(intent, 5)
    async with observer.watch(intent.pk, after=0) as beginner, observer.watch(intent.pk, after=6) as ahead:
        assert await collect(ahead, 7) == [7]
        assert beginner.seen == 2


async def test_who_comes_during_a_look_misses_nothing(
    observer: Observer, intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = coalescer.read
    is_asked, is_let_through = asyncio.Event(), asyncio.Event()

    async def hesitate(name: str, **parameters: Any) -> list[Row]:
        is_asked.set()
        await is_let_through.wait()
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", hesitate)
    async with observer.watch(intent.pk, after=1) as first:
        await is_asked.wait()
        async with observer.watch(intent.pk, after=0) as second:
            is_let_through.set()
            assert await collect(first, 2) == [2]
            assert await collect(second, 2) == [1, 2]


async def test_an_ending_is_told_once_to_each_who_waits(observer: Observer, intent: Intent) -> None:
    first: list[Row] = []
    second: list[Row] = []
    observer.await_ending(intent.pk, first.append, is_new=True)
    observer.await_ending(intent.pk, second.append)
    await end(intent)
    for _ in range(3):
        observer.hear({intent.pk}, {intent.pk})
        await asyncio.sleep(0.02)

    await until(lambda: first and second)
    assert [row["status"] for row in (*first, *second)] == ["COMPLETED", "COMPLETED"]


async def test_what_has_ended_already_is_told_at_once(observer: Observer, intent: Intent) -> None:
    await end(intent)
    told: list[Row] = []

    observer.await_ending(intent.pk, told.append)

    await until(lambda: told, 0.9)


async def test_who_does_not_wait_any_more_is_told_nothing(observer: Observer, intent: Intent) -> None:
    told: list[Row] = []
    others: list[Row] = []
    observer.await_ending(intent.pk, told.append, is_new=True)
    observer.await_ending(intent.pk, others.append, is_new=True)
    observer.forget_ending(intent.pk, told.append)
    observer.forget_ending(uuid4(), told.append)
    await end(intent)
    observer.hear(set(), {intent.pk})

    await until(lambda: others)
    assert told == []


async def test_an_outage_is_waited_out(
    observer: Observer, intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = coalescer.read
    failures = iter([DatabaseUnavailable, DatabaseUnavailable])

    async def fail_twice(name: str, **parameters: Any) -> list[Row]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", fail_twice)
    told: list[Row] = []
    await end(intent)
    observer.await_ending(intent.pk, told.append)
    async with observer.watch(intent.pk, after=0) as watch:
        assert await collect(watch, 3) == [1, 2, 3]
    await until(lambda: told)


async def test_a_mistake_of_ours_is_logged_and_survived(
    observer: Observer, intent: Intent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(observing, "SAFETY_SECONDS", 0.05)
    read = coalescer.read
    failures = iter([KeyError])

    async def fail_once(name: str, **parameters: Any) -> list[Row]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", fail_once)
    async with observer.watch(intent.pk, after=0) as watch:
        assert await collect(watch, 2) == [1, 2]
    assert "failed to look" in caplog.text


async def test_closing_lets_every_reader_know(observer: Observer, intent: Intent) -> None:
    async with observer.watch(intent.pk, after=2) as watch:
        observer.close_watches()

        assert watch.is_closed
        assert await watch.next(5.0) == []


async def test_nothing_is_asked_for_when_nobody_watches(
    observer: Observer, reads: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "SAFETY_SECONDS", 0.01)
    strangers: set[UUID] = {uuid4() for _ in range(10)}
    for _ in range(5):
        observer.hear(strangers, strangers)
        await asyncio.sleep(0.02)

    assert reads == []
