"""The page on CrewAI does what it says."""

from __future__ import annotations

from typing import Any

from crewai.flow.flow import Flow, listen, start
from crewai.flow.persistence import persist
from pydantic import BaseModel


class Order(BaseModel):
    """The state that the page presumes."""

    id: str = ""


async def test_its_python_runs(page: Any, name: str) -> None:
    presumed = {"Flow": Flow, "listen": listen, "start": start, "persist": persist, "Order": Order}

    assert (await page("crewai.md").python(presumed, order_7=name))["result"] == "480 rows"


def test_its_commands_run(page: Any, name: str) -> None:
    killed, again = page("crewai.md").shell(name)

    assert killed.was_killed
    assert again.lines[-1] == "480 rows after extract, clean, judge"
