"""The checkpointer: what LangGraph calls, blocking and awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from perdure.client import AsyncClient, Client
from perdure.langgraph.operations import Operations
from perdure.langgraph.serializer import SafeSerializer
from perdure.langgraph.storage import Held
from perdure.plans import Plan

T = TypeVar("T")


class PerdureSaver(BaseCheckpointSaver[int]):
    """A checkpointer that keeps graphs in Perdure: killed anywhere, a graph goes on with the node that was not done.

    `base_url` and `api_key` come from `PERDURE_URL` and `PERDURE_API_KEY` where they are not given. Threads of
    LangGraph become threads of Perdure whose names begin with `prefix`. Of classes, what is read makes only those that
    LangGraph lists as harmless; `serde` says otherwise. It can be used from several threads and event loops at once.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        serde: SerializerProtocol | None = None,
        prefix: str = "langgraph:",
        client: Client | None = None,
        **options: Any,
    ) -> None:
        super().__init__(serde=SafeSerializer() if serde is None else serde)
        self.prefix = prefix
        self._client = client or Client(base_url, api_key, **options)
        self._options = options
        # An asynchronous client belongs to the event loop that it was first used in.
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()
        self._held = Held()

    # -- blocking ---------------------------------------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the newest of its thread."""
        return self._run(self._operations.get(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first; those whose metadata has all of `filter`."""
        return self._client._runner.iterate(self._operations.list(config, filter, before, limit))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint. When this returns, it is on disk."""
        return self._run(self._operations.put(config, checkpoint, metadata))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task has written after a checkpoint."""
        self._run(self._operations.put_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Delete all of a thread."""
        self._run(self._operations.delete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these runs have made, in whatever threads."""
        self._run(self._operations.delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all of a thread to a new one."""
        self._run(self._operations.copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete old checkpoints: all but the newest of each namespace, or, with `delete`, all."""
        self._run(self._operations.prune(thread_ids, strategy))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What a delta channel is rebuilt from."""
        return self._run(self._operations.delta_history(config, channels))

    # -- awaiting ---------------------------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The same as `get_tuple`."""
        return await self._arun(self._operations.get(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The same as `list`."""
        stream = self._operations.list(config, filter, before, limit)
        async for found in self._async_client()._runner.iterate(stream):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """The same as `put`."""
        return await self._arun(self._operations.put(config, checkpoint, metadata))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """The same as `put_writes`."""
        await self._arun(self._operations.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """The same as `delete_thread`."""
        await self._arun(self._operations.delete_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """The same as `delete_for_runs`."""
        await self._arun(self._operations.delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """The same as `copy_thread`."""
        await self._arun(self._operations.copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """The same as `prune`."""
        await self._arun(self._operations.prune(thread_ids, strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The same as `get_delta_channel_history`."""
        return await self._arun(self._operations.delta_history(config, channels))

    # -- connections ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections of the blocking side."""
        self._client.close()

    async def aclose(self) -> None:
        """Close all connections of this event loop, and of the blocking side."""
        if (client := self._async_clients.pop(asyncio.get_running_loop(), None)) is not None:
            await client.close()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def _operations(self) -> Operations:
        # Made anew each time: LangGraph clones savers and gives the clones another serializer.
        return Operations(self.prefix, self.serde, self._client._runner.policy, self._held)

    def _run(self, plan: Plan[T]) -> T:
        return self._client._runner.run(plan)

    async def _arun(self, plan: Plan[T]) -> T:
        return await self._async_client()._runner.run(plan)

    def _async_client(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        if (client := self._async_clients.get(loop)) is None:
            client = AsyncClient(self._client.base_url, self._client.api_key, **self._options)
            self._async_clients[loop] = client
        return client
