"""Graphs of LangGraph that go on where they were killed: `PerdureSaver` is a checkpointer that keeps them in Perdure.

saver = PerdureSaver(base_url="http://127.0.0.1:8000", api_key="axme_sa_…")
graph = builder.compile(checkpointer=saver)
"""

from perdure.langgraph.saver import PerdureSaver

__all__ = ["PerdureSaver"]
