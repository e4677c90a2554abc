"""An agent in a process that is killed."""

from __future__ import annotations

from typing import Any

from perdure.openai_agents import PerdureSession


async def test_an_agent_that_is_killed_in_its_third_tool_goes_on_with_it(perdure: Any, name: str) -> None:
    killed = perdure.run("openai_agents_session.py", name, KILL_AT=3)
    assert killed.was_killed, killed.errors
    assert killed.lines == ["looks up 1", "looks up 2", "looks up 3"]

    again = perdure.run("openai_agents_session.py", name)
    assert again.status == 0, again.errors
    assert again.lines == ["looks up 3", "There are row 1, row 2, row 3."]

    async with PerdureSession(name, perdure.url, perdure.key) as session:
        items = await session.get_items()
    outputs = [item["output"] for item in items if item.get("type") == "function_call_output"]
    assert outputs == ["row 1", "row 2", "row 3"]
    assert [item["content"] for item in items if item.get("role") == "user"] == ["Begin."]
