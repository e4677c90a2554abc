"""Kept teams against a real server: killed in earnest, and held to what AutoGen itself does."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult, TerminationCondition
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient

from perdure import errors
from perdure.autogen import KeptTeam

Kept = Callable[..., KeptTeam]


def test_a_team_that_is_killed_in_its_third_turn_goes_on_with_it(perdure: Any, name: str) -> None:
    killed = perdure.run("autogen_team.py", name, KILL_AT=3)
    assert killed.was_killed, killed.errors
    assert killed.lines == ["turn 1: ada", "turn 2: bob", "turn 3: ada"]

    again = perdure.run("autogen_team.py", name)
    assert again.status == 0, again.errors
    conversation = "; ".join(
        [
            "Begin with turn 0",
            *(f"{heard} heard, turn {turn}" for turn, heard in enumerate([1, 2, 2, 3, 3], 1)),
        ]
    )
    assert again.lines == ["turn 3: ada", "turn 4: bob", "turn 5: ada", conversation]

    assert perdure.run("autogen_team.py", name).lines == [conversation], "it is done, and runs nothing"


@pytest.fixture
def kept(perdure: Any, name: str) -> Kept:
    """Makes a team under one and the same id."""

    def make(build: Any, termination: TerminationCondition) -> KeptTeam:
        return KeptTeam(name, build, termination, perdure.url, perdure.key)

    return make


def pair(ada: list[str], bob: list[str]) -> Any:
    """Builds two assistants whose models say this, one after the other; then they fail."""
    models = [ReplayChatCompletionClient(ada), ReplayChatCompletionClient(bob)]
    agents = [AssistantAgent(name, model) for name, model in zip(["ada", "bob"], models, strict=True)]

    def build(stop: TerminationCondition) -> RoundRobinGroupChat:
        return RoundRobinGroupChat(agents, termination_condition=stop)

    build.models = models  # type: ignore[attr-defined]
    return build


def told(result: TaskResult) -> list[tuple[str, str]]:
    return [(message.source, message.to_text()) for message in result.messages]


async def test_it_gives_what_the_team_gives(kept: Kept) -> None:
    own = await pair(["a", "b"], ["c", "END"])(TextMentionTermination("END")).run(task="Go.")

    async with kept(pair(["a", "b"], ["c", "END"]), TextMentionTermination("END")) as team:
        result = await team.run("Go.")

    assert told(result) == told(own)
    assert result.stop_reason == own.stop_reason


async def test_after_a_failure_models_are_asked_with_all_that_was_said(kept: Kept) -> None:
    async with kept(pair(["a"], ["b"]), MaxMessageTermination(5)) as team:
        with pytest.raises(RuntimeError, match="No more mock responses"):
            await team.run("Go.")

    build = pair(["c"], ["d"])
    async with kept(build, MaxMessageTermination(5)) as team:
        result = await team.run("Go.")

    assert [text for _, text in told(result)] == ["Go.", "a", "b", "c", "d"]
    assert len(build.models[0].create_calls) == 1
    asked = build.models[0].create_calls[0]["messages"]
    assert [message.content for message in asked[1:]] == ["Go.", "a", "b"]
    assert result.stop_reason == "Maximum number of messages 5 reached, current message count: 5"


async def test_a_selector_goes_on_too(kept: Kept) -> None:
    def build(chosen: list[str], texts: list[str]) -> Any:
        agents = [AssistantAgent(name, ReplayChatCompletionClient(texts)) for name in ("ada", "bob")]
        selector = ReplayChatCompletionClient(chosen)
        return lambda stop: SelectorGroupChat(
            agents, selector, termination_condition=stop, allow_repeated_speaker=True
        )

    async with kept(build(["bob", "bob"], ["1", "2"]), MaxMessageTermination(5)) as team:
        with pytest.raises(ValueError, match="No more mock responses"):
            await team.run("Go.")
    async with kept(build(["ada", "bob"], ["3"]), MaxMessageTermination(5)) as team:
        result = await team.run("Go.")

    assert told(result) == [("user", "Go."), ("bob", "1"), ("bob", "2"), ("ada", "3"), ("bob", "3")]


async def test_a_state_larger_than_one_value_comes_back_whole(kept: Kept) -> None:
    chance = random.Random(7)
    noise = "".join(chance.choices(string.ascii_letters + string.digits, k=1_500_000))
    async with kept(pair([noise], []), MaxMessageTermination(3)) as team:
        with pytest.raises(RuntimeError):
            await team.run("Go.")

    async with kept(pair([], ["I see."]), MaxMessageTermination(3)) as team:
        result = await team.run("Go.")

    assert told(result) == [("user", "Go."), ("ada", noise), ("bob", "I see.")]


async def test_whoever_is_overtaken_stores_nothing(kept: Kept) -> None:
    build = pair(["a"], ["b"])
    slow, fast = kept(build, MaxMessageTermination(3)), kept(pair(["A"], ["B"]), MaxMessageTermination(3))
    write = slow._write

    async def write_late(*what: Any) -> Any:
        await fast.run("Go.")
        return await write(*what)

    slow._write = write_late  # type: ignore[method-assign]
    async with slow, fast:
        with pytest.raises(errors.VersionConflict):
            await slow.run("Go.")
        assert [text for _, text in told(await fast.run())] == ["Go.", "A", "B"]


async def test_what_was_never_begun_needs_a_task(kept: Kept) -> None:
    async with kept(pair([], []), MaxMessageTermination(3)) as team:
        with pytest.raises(ValueError, match="needs a task"):
            await team.run()


async def test_a_limit_that_would_be_counted_anew_is_refused(kept: Kept) -> None:
    agent = AssistantAgent("ada", ReplayChatCompletionClient(["a"]))

    async with kept(
        lambda stop: RoundRobinGroupChat([agent], termination_condition=stop, max_turns=3),
        MaxMessageTermination(3),
    ) as team:
        with pytest.raises(ValueError, match="max_turns"):
            await team.run("Go.")
