"""The board: one look for all open lists, rings that may be lost, and readers that may be slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from time import monotonic
from typing import Any
from uuid import UUID

import pytest

from agents import postgres
from agents.models import Agent
from agents.postgres import DatabaseUnavailable
from intents import coalescer, finding, rows
from intents.filters import Filters
from intents.lifecycle import EventType
from intents.models import Intent
from intents.realtime import board as boarding, open_list
from intents.realtime.board import Board
from intents.realtime.open_list import News, OpenList, TooSlow
from intents.records import Ending, Row
from tests.intents.factories import hold, make_intent, make_recipient
from tests.intents.realtime.loops import PATIENCE, close_everything, until


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    board = Board()
    board.start()
    yield board
    await board.stop()
    await close_everything()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the board has looked."""
    at: list[float] = []
    read = coalescer.read

    async def note(name: str, **parameters: Any) -> list[Row]:
        if name == "board":
            at.append(monotonic())
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", note)
    return at


async def opened(agent: Agent, query: str = "", *, is_newest: bool = True, **more: Any) -> OpenList:
    filters = Filters.of(query)
    found = await finding.run_on_pool(finding.page(agent.workspace_id, filters, **more))
    return OpenList(finding.wanted_of(agent.workspace_id, filters, None), found, is_newest=is_newest)


async def submit(agent: Agent, **fields: Any) -> Intent:
    return await postgres.in_thread(make_intent, agent, **fields)


async def end(intent: Intent, how: EventType = EventType.COMPLETED) -> None:
    await coalescer.finish([Ending(hold(intent), how, {"error": {"code": "bad_input"}})])


async def news(page: OpenList, patience: float = 20.0) -> News:
    """What the page is told next."""
    async with asyncio.timeout(patience):
        while not (told := await page.next(patience)):
            assert not page.is_closed
    return told


async def test_a_row_that_changes_is_told_with_its_new_state(board: Board, agent: Agent) -> None:
    intent = await submit(agent)
    page = await opened(agent)
    with board.watch(page):
        await end(intent, EventType.FAILED)
        board.hear({intent.pk})

        told = await news(page)

    [row] = told.changed
    assert (row.id, row.status, row.error, row.seq) == (intent.pk, "FAILED", "bad_input", 3)
    assert told.new == []


async def test_what_happened_between_reading_and_watching_is_told(board: Board, agent: Agent) -> None:
    intent = await submit(agent)
    page = await opened(agent)
    await end(intent)
    late = await submit(agent)

    with board.watch(page):
        told = await news(page)

    assert [row.id for row in told.changed] == [intent.pk]
    assert [row.id for row in told.new] == [late.pk]


async def test_what_nobody_rings_for_is_told_all_the_same(
    board: Board, agent: Agent, looks: list[float]
) -> None:
    intent = await submit(agent)
    page = await opened(agent)
    with board.watch(page):
        await until(lambda: looks)
        await end(intent)

        assert [row.status for row in (await news(page)).changed] == ["COMPLETED"]


async def test_new_intents_are_told_newest_first_and_once(board: Board, agent: Agent) -> None:
    await submit(agent)
    page = await opened(agent)
    with board.watch(page):
        intents = [await submit(agent) for _ in range(3)]
        board.hear({each.pk for each in intents})
        told = await news(page)
        board.hear({each.pk for each in intents})
        again = await page.next(boarding.SAFETY_SECONDS * 1.5)

    assert [row.id for row in told.new] == [each.pk for each in reversed(intents)]
    assert (told.number, told.is_more) == (3, False)
    assert not again


async def test_an_older_page_is_told_of_its_rows_only(board: Board, agent: Agent) -> None:
    intents = [await submit(agent) for _ in range(3)]
    page = await opened(agent, before=intents[2].pk, is_newest=False)
    with board.watch(page):
        await submit(agent)
        await end(intents[2])
        await end(intents[0])

        told = await news(page)

    assert [row.id for row in told.changed] == [intents[0].pk]
    assert told.new == []


async def test_a_filtered_page_is_told_of_what_fits(board: Board, agent: Agent) -> None:
    page = await opened(agent, "type=mail.send.v1&q=payload.a:1+mail")
    with board.watch(page):
        await submit(agent)
        await submit(agent, intent_type="mail.send.v1", payload='{"a": 2}')
        wanted = await submit(agent, intent_type="mail.send.v1", payload='{"a": 1}')

        told = await news(page)

    assert [row.id for row in told.new] == [wanted.pk]


async def test_what_comes_to_fit_by_a_change_is_new_to_the_page(board: Board, agent: Agent) -> None:
    intents = [await submit(agent) for _ in range(3)]
    page = await opened(agent, "status=FAILED")
    with board.watch(page):
        await end(intents[1], EventType.FAILED)
        board.hear({intents[1].pk})

        told = await news(page)

    assert [row.id for row in told.new] == [intents[1].pk]


async def test_nothing_of_another_workspace_is_told(board: Board, agent: Agent) -> None:
    stranger = await postgres.in_thread(make_recipient)
    page = await opened(agent)
    by_status = await opened(agent, "status=FAILED&status=SUBMITTED")
    with board.watch(page), board.watch(by_status):
        theirs = await submit(stranger)
        await end(theirs, EventType.FAILED)
        board.hear({theirs.pk})

        assert not await page.next(boarding.SAFETY_SECONDS * 1.5)
        assert not await by_status.next(0.01)


async def test_many_pages_are_looked_for_at_once(board: Board, agent: Agent, looks: list[float]) -> None:
    intent = await submit(agent)
    pages = [await opened(agent) for _ in range(40)]
    pages += [await opened(agent, f"q=word-{number}") for number in range(10)]
    for page in pages:
        board._lists.add(page)
    looks.clear()
    await end(intent)
    board.hear({intent.pk})

    told = [await news(page) for page in pages[:40]]

    assert [[row.id for row in each.changed] for each in told] == [[intent.pk]] * 40
    assert len(looks) <= 2


async def test_the_board_looks_at_most_twice_a_second(board: Board, agent: Agent, looks: list[float]) -> None:
    page = await opened(agent)
    with board.watch(page):
        async with asyncio.timeout(PATIENCE):
            while len(looks) < 5:
                board.hear({(await submit(agent)).pk})

    assert min(gaps(looks)) > 0.9 * boarding.PACE_SECONDS


async def test_quiet_pages_cost_one_look_a_second(board: Board, agent: Agent, looks: list[float]) -> None:
    for _ in range(5):
        board._lists.add(await opened(agent))
    await until(lambda: len(looks) == 4)

    assert min(gaps(looks)) > 0.9 * boarding.SAFETY_SECONDS


def gaps(at: list[float]) -> list[float]:
    """Seconds from each to the next."""
    return [later - earlier for earlier, later in pairwise(at)]


async def test_nobody_there_nothing_asked(
    board: Board, agent: Agent, looks: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []
    look = board._look

    async def count_and_look() -> None:
        await look()
        turns.append(monotonic())

    monkeypatch.setattr(board, "_look", count_and_look)
    intent = await submit(agent)
    board.hear({intent.pk})
    board.look_at_everything()
    await until(lambda: len(turns) == 2)

    assert looks == []


async def test_a_slow_reader_is_let_go(board: Board, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_list, "UNREAD_SECONDS", 0.0)
    intent = await submit(agent)
    slow, other = await opened(agent), await opened(agent)
    with board.watch(slow), board.watch(other):
        await end(intent)
        await submit(agent)
        board.hear({intent.pk})
        await until(lambda: slow.is_overrun)

        with pytest.raises(TooSlow):
            await slow.next(1.0)
        assert slow not in board._lists


async def test_more_than_can_be_shown_is_said_to_be_more(
    board: Board, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boarding, "MOST_FRESH", 3)
    monkeypatch.setattr(open_list, "MOST_NEW", 2)
    page = await opened(agent)
    for _ in range(5):
        await submit(agent)
    with board.watch(page):
        told = await news(page)

    assert (len(told.new), told.number, told.is_more) == (2, 3, True)


async def test_a_page_forgets_what_it_was_told_long_ago(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_list, "MOST_KNOWN", 3)
    intents: list[UUID] = [(await submit(agent)).pk for _ in range(3)]
    page = await opened(agent)
    assert list(page.known) == intents

    found = await finding.run_on_pool(finding.page(agent.workspace_id, Filters()))
    built = await finding.run_on_pool(rows.build(found.rows))
    page.known.pop(intents[2])
    page.known[UUID(int=1)] = 1
    page.tell([], built)

    assert list(page.known) == [intents[1], UUID(int=1), intents[2]]
    await close_everything()


async def test_an_outage_is_waited_out(board: Board, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = await submit(agent)
    page = await opened(agent)
    read = coalescer.read
    failures = iter([DatabaseUnavailable, KeyError])

    async def fail_twice(name: str, **parameters: Any) -> list[Row]:
        if name == "board" and (failure := next(failures, None)) is not None:
            raise failure
        return await read(name, **parameters)

    monkeypatch.setattr(coalescer, "read", fail_twice)
    monkeypatch.setattr(boarding, "SAFETY_SECONDS", 0.1)
    with board.watch(page):
        await end(intent)

        assert [row.id for row in (await news(page, 5.0)).changed] == [intent.pk]


async def test_closing_lets_every_reader_know(board: Board, agent: Agent) -> None:
    page = await opened(agent)
    with board.watch(page):
        board.close_lists()

        assert page.is_closed
        assert not await page.next(5.0)
