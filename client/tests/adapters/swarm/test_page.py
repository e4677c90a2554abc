"""The page on Swarm does what it says."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import swarm
from openai.types.chat import ChatCompletionMessage

from perdure import Agent


class Model:
    """Says that all is done."""

    def __init__(self) -> None:
        self.chat = SimpleNamespace(completions=self)

    def create(self, **_: Any) -> Any:
        message = ChatCompletionMessage(role="assistant", content="Done.")
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])


class Delivery:
    """One whose steps are all done for the first time."""

    def __init__(self) -> None:
        self.turns: list[str] = []

    @contextmanager
    def steps(self) -> Any:
        def step(name: str, function: Any, *arguments: Any) -> Any:
            self.turns.append(name)
            return function(*arguments)

        yield step


async def test_its_python_runs(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = swarm.Swarm
    monkeypatch.setattr(swarm, "Swarm", lambda: own(Model()))
    presumed = {
        "agent": Agent("refunds"),
        "triage": swarm.Agent(name="triage"),
        "refunds": swarm.Agent(name="refunds"),
        "messages": [{"role": "user", "content": "Refund it."}],
    }

    names = await page("swarm.md").python(presumed)
    delivery = Delivery()
    assert names["handle"](delivery) == {"said": "Done."}
    assert delivery.turns == ["turn-1"]


def test_its_commands_run(page: Any, name: str) -> None:
    killed, again = page("swarm.md").shell(name)

    assert killed.was_killed
    assert again.lines == ["turn 3", "turn 4", "refunds: refunded 40 €"]
