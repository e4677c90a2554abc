"""A session against a real server: what the SDK asks of any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner
from agents.memory import Session, SessionSettings
from agents.testing import ScriptedModel, assistant_message

from perdure import errors
from perdure.openai_agents import PerdureSession


@pytest.fixture
async def session(perdure: Any, name: str) -> AsyncIterator[PerdureSession]:
    async with PerdureSession(name, perdure.url, perdure.key) as made:
        yield made


def said(*texts: object) -> list[Any]:
    return [{"role": "user", "content": str(text)} for text in texts]


def test_a_session_is_what_the_sdk_takes_for_one(perdure: Any, name: str) -> None:
    assert isinstance(PerdureSession(name, perdure.url, perdure.key), Session)


async def test_a_session_is_empty_at_first(session: PerdureSession) -> None:
    assert await session.get_items() == []
    assert await session.get_items(limit=3) == []
    assert await session.pop_item() is None
    await session.clear_session()
    await session.add_items([])
    assert await session.get_items() == []


async def test_items_come_back_in_order_all_or_the_newest(session: PerdureSession) -> None:
    await session.add_items(said(1, 2))
    await session.add_items(said(3))

    assert await session.get_items() == said(1, 2, 3)
    assert await session.get_items(limit=2) == said(2, 3)
    assert await session.get_items(limit=9) == said(1, 2, 3)
    assert await session.get_items(limit=0) == []


async def test_more_items_than_one_request_takes_come_back_in_order(session: PerdureSession) -> None:
    await session.add_items(said(*range(1201)))

    assert await session.get_items() == said(*range(1201))
    assert await session.get_items(limit=700) == said(*range(501, 1201))


async def test_the_newest_item_can_be_taken_away(session: PerdureSession) -> None:
    await session.add_items(said(1, 2))

    assert await session.pop_item() == said(2)[0]
    assert await session.get_items() == said(1)


async def test_a_session_can_be_emptied_and_begun_anew(session: PerdureSession) -> None:
    await session.add_items(said(1, 2))
    await session.clear_session()
    await session.add_items(said(3))

    assert await session.get_items() == said(3)


async def test_sessions_of_other_ids_stay_apart_whatever_is_in_them(perdure: Any, name: str) -> None:
    ids = [name, f"{name}/a", f"{name}%2Fa", f"{name}/../ä ö?#"]
    for session_id in ids:
        async with PerdureSession(session_id, perdure.url, perdure.key) as one:
            await one.add_items(said(session_id))
    for session_id in ids:
        async with PerdureSession(session_id, perdure.url, perdure.key) as one:
            assert await one.get_items() == said(session_id)


async def test_items_added_at_once_by_several_processes_are_all_there(perdure: Any, name: str) -> None:
    async def add(number: int) -> None:
        async with PerdureSession(name, perdure.url, perdure.key) as one:
            await one.add_items(said(f"{number} a", f"{number} b"))

    await asyncio.gather(*[add(number) for number in range(8)])

    async with PerdureSession(name, perdure.url, perdure.key) as one:
        items = [item["content"] for item in await one.get_items()]
    assert sorted(items) == sorted(f"{number} {part}" for number in range(8) for part in "ab")
    assert all(items[at + 1] == items[at].replace("a", "b") for at in range(0, 16, 2)), (
        "each pair is together"
    )


async def test_the_limit_of_its_settings_holds_where_none_is_given(perdure: Any, name: str) -> None:
    settings = SessionSettings(limit=1)
    async with PerdureSession(name, perdure.url, perdure.key, session_settings=settings) as session:
        await session.add_items(said(1, 2))
        assert await session.get_items() == said(2)
        assert await session.get_items(limit=2) == said(1, 2)


async def test_a_second_question_is_asked_with_the_first_and_its_answer(session: PerdureSession) -> None:
    model = ScriptedModel([[assistant_message("Hello.")], [assistant_message("Ada.")]])
    agent = Agent(name="clerk", model=model)
    config = RunConfig(tracing_disabled=True)
    await Runner.run(agent, "I am Ada.", session=session, run_config=config)
    result = await Runner.run(agent, "Who am I?", session=session, run_config=config)

    assert result.final_output == "Ada."
    assert [item["role"] for item in model.calls[1].input] == ["user", "assistant", "user"]


async def test_an_unknown_key_keeps_nothing(perdure: Any, name: str) -> None:
    async with PerdureSession(name, perdure.url, "axme_sa_unknown.unknown") as stranger:
        with pytest.raises(errors.Unauthenticated):
            await stranger.add_items(said(1))
