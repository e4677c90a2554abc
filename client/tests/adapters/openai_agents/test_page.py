"""The page on the OpenAI Agents SDK does what it says."""

from __future__ import annotations

from typing import Any

from agents import Agent, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message


async def test_its_python_runs(page: Any, name: str) -> None:
    set_tracing_disabled(True)
    model = ScriptedModel([[assistant_message("It is fine.")]])

    names = await page("openai-agents.md").python(
        {"agent": Agent(name="clerk", model=model)}, customer_7=name
    )

    assert names["result"].final_output == "It is fine."
    assert names["begun"] is False


def test_its_commands_run(page: Any, name: str) -> None:
    killed, again = page("openai-agents.md").shell(name)

    assert killed.was_killed
    assert again.lines == ["looks up 3", "There are row 1, row 2, row 3."]
