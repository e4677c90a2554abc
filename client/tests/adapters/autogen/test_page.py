"""The page on AutoGen does what it says."""

from __future__ import annotations

from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient


async def test_its_python_runs(page: Any, name: str) -> None:
    presumed = {
        "RoundRobinGroupChat": RoundRobinGroupChat,
        "TextMentionTermination": TextMentionTermination,
        "writer": AssistantAgent("writer", ReplayChatCompletionClient(["A text."])),
        "critic": AssistantAgent("critic", ReplayChatCompletionClient(["APPROVED"])),
    }

    result = (await page("autogen.md").python(presumed, order_7=name))["result"]
    assert [message.to_text() for message in result.messages] == ["Write it up.", "A text.", "APPROVED"]


def test_its_commands_run(page: Any, name: str) -> None:
    killed, again = page("autogen.md").shell(name)

    assert killed.was_killed
    assert again.lines[:3] == ["turn 3: ada", "turn 4: bob", "turn 5: ada"]
