"""LangGraph's PostgresSaver: a graph of four nodes, each on disk before the next. It submits and delivers nothing."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bench.peers import load


class State(TypedDict):
    """What the steps make."""

    rows: int


class Peer(load.Peer):
    """Graphs that run side by side in one process, on a pool of as many connections."""

    MADE_OF = ("langgraph", "langgraph-checkpoint-postgres", "psycopg")

    async def _saver(self, connections: int) -> AsyncPostgresSaver:
        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        self.pool: Any = AsyncConnectionPool(
            self.url, min_size=connections, max_size=connections, kwargs=options, open=False
        )
        await self.pool.open(wait=True)
        return AsyncPostgresSaver(self.pool)

    async def prepare(self) -> None:
        await (await self._saver(1)).setup()
        await self.pool.close()

    async def connect(self) -> None:
        self.saver = await self._saver(load.PIPELINES)
        self.saved = 0

    async def checkpoints(self, seconds: float) -> int:
        graph = self._graph()
        ends_at, before = time.monotonic() + seconds, self.saved

        async def work() -> None:
            while time.monotonic() < ends_at:
                config = {"configurable": {"thread_id": str(uuid.uuid4())}}
                await graph.ainvoke({"rows": 0}, config, durability="sync")
                self.saved += len(load.STEPS)

        await asyncio.gather(*(work() for _ in range(load.PIPELINES)))
        return self.saved - before

    def _graph(self) -> Any:
        async def work(state: State) -> State:
            return {"rows": 500_000}

        builder = StateGraph(State)
        for step in load.STEPS:
            builder.add_node(step, work)
        for one, next_one in zip((START, *load.STEPS), (*load.STEPS, END), strict=True):
            builder.add_edge(one, next_one)
        return builder.compile(checkpointer=self.saver)
