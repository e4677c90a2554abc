"""The coalescer: no waiting when idle, company when busy, and nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from agents import postgres
from agents.models import Agent
from intents import coalescer
from intents.errors import Outcome
from intents.gathering import MAX_ROWS, Coalescer
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Delivery, Intent
from intents.records import Ending, Submission, Submitted, Wait
from intents.signals import Changes, changed
from tests.intents.factories import hold, make_delivery, make_recipient, slot, submission


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_recipient()


@pytest.fixture(autouse=True)
async def closed_pool() -> AsyncIterator[None]:
    yield
    await postgres.close()


@pytest.fixture
def announced() -> Iterator[list[Changes]]:
    """What has been announced, as it comes."""
    heard: list[Changes] = []

    def listen(changes: Changes, **_: object) -> None:
        heard.append(changes)

    changed.connect(listen)
    yield heard
    changed.disconnect(listen)


class Gate:
    """Stands in for the database: notes each flush, and lets it through when told to."""

    def __init__(self) -> None:
        self.flushes: list[list[int]] = []
        self.open = asyncio.Event()

    async def write(self, asked: Sequence[int]) -> list[int | psycopg.Error]:
        self.flushes.append(list(asked))
        await self.open.wait()
        return [number * 10 for number in asked]


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_asked_during_a_flush_goes_together_in_the_next() -> None:
    gate = Gate()
    times_ten: Coalescer[int, int] = Coalescer("test", gate.write)

    calls = [asyncio.create_task(times_ten([1]))]
    await settle()
    calls += [asyncio.create_task(times_ten([number, -number])) for number in range(2, 6)]
    await settle()
    assert gate.flushes == [[1]]  # at once, and nothing behind its back
    gate.open.set()

    assert await asyncio.gather(*calls) == [[10], [20, -20], [30, -30], [40, -40], [50, -50]]
    assert gate.flushes == [[1], [2, -2, 3, -3, 4, -4, 5, -5]]


async def test_a_call_when_idle_waits_for_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    gate.open.set()
    times_ten: Coalescer[int, int] = Coalescer("test", gate.write)
    timers: list[object] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_at", lambda *timer, **_: timers.append(timer))

    assert [await times_ten([number]) for number in range(3)] == [[0], [10], [20]]
    assert gate.flushes == [[0], [1], [2]]
    assert timers == []


async def test_a_flush_carries_so_many_and_no_more_but_a_large_call_is_not_torn() -> None:
    gate = Gate()
    times_ten: Coalescer[int, int] = Coalescer("test", gate.write)

    calls = [asyncio.create_task(times_ten([0] * size)) for size in (1, MAX_ROWS - 1, 1, MAX_ROWS * 2, 3)]
    gate.open.set()
    await asyncio.gather(*calls)

    assert [len(flush) for flush in gate.flushes] == [MAX_ROWS, 1, MAX_ROWS * 2, 3]


async def test_a_failure_reaches_all_of_its_flush_and_none_of_the_next() -> None:
    is_away = True

    async def write(asked: Sequence[int]) -> list[int | psycopg.Error]:
        if is_away:
            raise postgres.DatabaseUnavailable
        return list(asked)

    echo: Coalescer[int, int] = Coalescer("test", write)
    answers = await asyncio.gather(echo([1]), echo([2]), return_exceptions=True)
    is_away = False

    assert [type(answer) for answer in answers] == [postgres.DatabaseUnavailable] * 2
    assert await echo([3]) == [3]


async def test_who_gathered_while_the_database_was_missed_waits_no_second_time() -> None:
    gate, writes = asyncio.Event(), 0

    async def write(asked: Sequence[int]) -> list[int | psycopg.Error]:
        nonlocal writes
        writes += 1
        await gate.wait()
        raise postgres.DatabaseUnavailable

    echo: Coalescer[int, int] = Coalescer("test", write)
    first = asyncio.create_task(echo([1]))
    await asyncio.sleep(0)  # it is being flushed now
    second = asyncio.create_task(echo([2]))
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(first, second, return_exceptions=True)

    assert [type(answer) for answer in answers] == [postgres.DatabaseUnavailable] * 2
    assert writes == 1


@pytest.mark.parametrize("is_flushed", [True, False])
async def test_a_caller_that_goes_away_harms_nobody(is_flushed: bool) -> None:
    gate = Gate()
    times_ten: Coalescer[int, int] = Coalescer("test", gate.write)
    first = asyncio.create_task(times_ten([1]))
    await settle()
    others = [asyncio.create_task(times_ten([number])) for number in (2, 3)]
    await settle()

    (first if is_flushed else others[0]).cancel()
    await settle()
    gate.open.set()

    answers = await asyncio.gather(first, *others, return_exceptions=True)
    gone = answers.pop(0 if is_flushed else 1)
    assert isinstance(gone, asyncio.CancelledError)
    assert answers == ([[20], [30]] if is_flushed else [[10], [30]])
    assert await times_ten([4]) == [40]


NUL = '{"text": "a\\u0000b"}'


@pytest.mark.parametrize(
    "bad",
    [
        {"payload": NUL},
        {"payload": "{"},
        {"intent_type": "a\x00b"},
        {"intent_type": "\ud800"},
        {"response": {"text": "\ud800"}, "idempotency_key": "bad"},
        {"max_delivery_attempts": 2**40},
        {"max_delivery_attempts": 0},
        {"sender_id": None, "idempotency_key": "of nobody"},
    ],
    ids=str,
)
async def test_a_bad_row_fails_alone(agent: Agent, bad: dict[str, Any]) -> None:
    asked = [submission(agent) for _ in range(9)]
    asked[5] = submission(agent, **bad)

    answers = await asyncio.gather(*(coalescer.submit([each]) for each in asked), return_exceptions=True)

    assert [isinstance(answer, psycopg.Error) for answer in answers] == [False] * 5 + [True] + [False] * 3
    stored = await postgres.rows("SELECT id FROM intents_intent ORDER BY id")
    assert {row["id"] for row in stored} == {each.id for each in asked} - {asked[5].id}


async def test_a_bad_row_in_a_batch_is_pointed_out(agent: Agent) -> None:
    asked = [submission(agent), submission(agent, payload=NUL), submission(agent)]

    answers = await coalescer.current().submit.each(asked)

    assert [isinstance(answer, Submitted) for answer in answers] == [True, False, True]


async def test_a_bad_ending_fails_alone(agent: Agent) -> None:
    good, bad, waiting = [await postgres.in_thread(make_delivery, agent) for _ in range(3)]
    await coalescer.wait([Wait(waiting.intent_id, WaitingReason.TOOL)])

    answers = await asyncio.gather(
        coalescer.finish([Ending(hold(bad), EventType.COMPLETED, {"result": "a\x00b"})]),
        coalescer.finish([Ending(hold(good), EventType.COMPLETED, {"result": "ab"})]),
        coalescer.finish([Ending(hold(waiting), EventType.COMPLETED, {"result": "\ud800"})]),
        return_exceptions=True,
    )

    assert [isinstance(answer, psycopg.Error) for answer in answers] == [True, False, True]
    rows = await postgres.rows("SELECT id, status FROM intents_intent")
    assert {row["id"]: row["status"] for row in rows} == {
        good.intent_id: Status.COMPLETED,
        bad.intent_id: Status.SUBMITTED,
        waiting.intent_id: Status.WAITING,
    }


async def test_a_deadlock_that_is_lost_is_tried_again(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    execute, losses = coalescer._execute, iter([True, True])

    async def unlucky(on: postgres.Connection, statement: Any) -> Any:
        rows = await execute(on, statement)
        if next(losses, False):
            raise psycopg.errors.DeadlockDetected
        return rows

    delivery = await postgres.in_thread(make_delivery, agent)
    await coalescer.wait([Wait(delivery.intent_id, WaitingReason.TOOL)])
    monkeypatch.setattr(coalescer, "_execute", unlucky)

    [done] = await coalescer.wait([Wait(delivery.intent_id, WaitingReason.TIME)])

    assert done.outcome == Outcome.DONE
    rows = await postgres.rows("SELECT seq FROM intents_intent")
    assert rows == [{"seq": 4}]


async def test_what_was_written_is_announced_once_for_the_flush(
    agent: Agent, announced: list[Changes]
) -> None:
    asked = [submission(agent), submission(agent), submission(agent, is_owed=False)]
    first, second, third = (each.id for each in asked)

    await coalescer.submit(asked)
    await coalescer.claim([slot(agent, 2)])
    await asyncio.gather(
        coalescer.finish([Ending(_hold(asked[0]), EventType.COMPLETED)]),
        coalescer.finish([Ending(_hold(asked[0]), EventType.CANCELED)]),
        coalescer.acknowledge([_hold(asked[1]), _hold(asked[1])]),
        coalescer.extend([_hold(asked[1])]),
    )
    await coalescer.acknowledge([_hold(asked[1])])

    assert announced[:2] == [
        Changes(agents={agent.pk}, intents={first, second, third}),
        Changes(intents={first, second}),
    ]
    ending, starting = sorted(announced[2:], key=lambda changes: not changes.ended)
    assert ending == Changes(intents={first}, ended={first})
    assert starting == Changes(intents={second})


async def test_an_idle_call_costs_one_round_trip(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    await coalescer.submit([submission(agent)])  # opens the pool
    execute, statements = coalescer._execute, []

    async def counted(on: postgres.Connection, statement: Any) -> Any:
        assert on.info.transaction_status.name == "IDLE"  # nobody had to say BEGIN
        statements.append(statement[0])
        return await execute(on, statement)

    monkeypatch.setattr(coalescer, "_execute", counted)
    asked = submission(agent)
    await coalescer.submit([asked])
    await coalescer.claim([slot(agent, 2)])
    await coalescer.acknowledge([_hold(asked)])
    await coalescer.finish([Ending(_hold(asked), EventType.COMPLETED)])

    assert statements == ["submit", "claim", "acknowledge", "finish"]


async def test_nothing_is_asked_of_the_database_for_nothing(agent: Agent, announced: list[Changes]) -> None:
    assert await coalescer.submit([]) == []
    assert await coalescer.claim([slot(agent)]) == []
    assert announced == []


def test_thousands_in_company_are_each_answered_with_their_own(agent: Agent) -> None:
    async def submit_all(asked: list[Submission]) -> list[Submitted]:
        try:
            answers = await asyncio.gather(*(coalescer.submit([each]) for each in asked))
        finally:
            await postgres.close()
        return [answer for [answer] in answers]

    asked = [submission(agent, payload=f'{{"n": {number}}}') for number in range(2000)]
    answers = asyncio.run(submit_all(asked))

    assert [answer.intent_id for answer in answers] == [each.id for each in asked]
    assert {answer.outcome for answer in answers} == {"done"}
    assert Intent.objects.count() == Delivery.objects.count() == 2000
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT created_at) FROM intents_intent")
        [[commits]] = cursor.fetchall()
    assert commits == 2000 // MAX_ROWS


def _hold(asked: Submission) -> Any:
    return hold(Intent(pk=asked.id, organization_id=asked.organization_id))


async def test_an_unknown_intent_is_answered_like_one_of_another_tenant(agent: Agent) -> None:
    delivery = await postgres.in_thread(make_delivery, agent)
    foreign, unknown = hold(delivery), hold(delivery)
    foreign.organization_id = uuid4()
    unknown.intent_id = uuid4()

    answers = await coalescer.finish([Ending(each, EventType.CANCELED) for each in (foreign, unknown)])

    assert [answer.outcome for answer in answers] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
