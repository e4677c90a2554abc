"""A graph of fifty nodes that is killed at node 47, and goes on at node 47.

pip install ./client langgraph
KILL_AT=47 python examples/langgraph_graph.py order-7   # prints nodes 1 to 47, and is killed
python examples/langgraph_graph.py order-7              # prints nodes 47 to 50, and what came of all
"""

import operator
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from perdure.langgraph import PerdureSaver

NODES = 50


class Rows(TypedDict):
    """What the graph works on."""

    loaded: Annotated[list[int], operator.add]


def load(number: int) -> Callable[[Rows], dict[str, Any]]:
    """The node of this number."""

    def node(state: Rows) -> dict[str, Any]:
        print(f"node {number}", flush=True)
        if os.environ.get("KILL_AT") == str(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"loaded": [number]}

    return node


def main(thread_id: str) -> None:
    builder = StateGraph(Rows)
    for number in range(1, NODES + 1):
        builder.add_node(f"node-{number}", load(number))
        builder.add_edge(START if number == 1 else f"node-{number - 1}", f"node-{number}")
    builder.add_edge(f"node-{NODES}", END)

    with PerdureSaver() as saver:
        graph = builder.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": thread_id}, "recursion_limit": NODES + 1}
        # None goes on with what is there; a graph that was never begun is given its input.
        begun = saver.get_tuple(config) is not None
        # With "sync", a node begins only when what the node before it has made is on disk.
        done = graph.invoke(None if begun else {"loaded": []}, config, durability="sync")
    print(f"loaded {sum(done['loaded'])} in {len(done['loaded'])} nodes")


if __name__ == "__main__":
    main(sys.argv[1])
