"""The page on LangGraph does what it says."""

from __future__ import annotations

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph


class Order(TypedDict):
    """The state of a graph of one node."""

    order: int


async def test_its_python_runs(page: Any, name: str) -> None:
    builder = StateGraph(Order)
    builder.add_node("add", lambda state: {"order": state["order"] + 1})
    builder.add_edge(START, "add")
    builder.add_edge("add", END)

    names = await page("langgraph.md").python({"builder": builder, "Order": Order}, order_7=name)
    assert names["graph"].checkpointer is names["saver"]
    assert names["begun"] is False

    again = await page("langgraph.md").python({"builder": builder, "Order": Order}, order_7=name)
    assert again["begun"] is True


def test_its_commands_run(page: Any, name: str) -> None:
    killed, again = page("langgraph.md").shell(name)

    assert killed.was_killed
    assert again.status == 0, again.errors
