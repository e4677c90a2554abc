"""A graph in a process that is killed."""

from __future__ import annotations

from typing import Any


def test_a_graph_of_fifty_nodes_that_is_killed_at_node_47_runs_only_the_last_four(
    perdure: Any, name: str
) -> None:
    killed = perdure.run("langgraph_graph.py", name, KILL_AT=47)
    assert killed.was_killed, killed.errors
    assert killed.lines == [f"node {number}" for number in range(1, 48)]

    again = perdure.run("langgraph_graph.py", name)
    assert again.status == 0, again.errors
    assert again.lines == ["node 47", "node 48", "node 49", "node 50", "loaded 1275 in 50 nodes"]


def test_a_graph_that_is_done_runs_nothing_again(perdure: Any, name: str) -> None:
    perdure.run("langgraph_graph.py", name)

    assert perdure.run("langgraph_graph.py", name).lines == ["loaded 1275 in 50 nodes"]
