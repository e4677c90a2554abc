"""What a saver of LangGraph can do, as plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from perdure import errors
from perdure.langgraph.layout import (
    Packing,
    Record,
    TaskWrites,
    Write,
    checkpoint_key,
    in_order,
    indexed,
    item_of,
    thread_name,
    writes_key,
)
from perdure.langgraph.storage import PAGE, Held, Shelf, Threads, digests_of, run_thread
from perdure.plans import Emit, Plan, Policy, Stream

#: What one page of a list is: checkpoints, and what was written after each, by its id.
Page = tuple[list[Record], dict[str, list[TaskWrites]]]


def config_of(thread_id: Any, namespace: str, checkpoint_id: str) -> RunnableConfig:
    """How LangGraph names a checkpoint."""
    return {
        "configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}
    }


@dataclass(frozen=True, slots=True)
class Operations:
    """Each method is a plan of one operation."""

    prefix: str
    serde: SerializerProtocol
    policy: Policy
    held: Held

    @property
    def threads(self) -> Threads:
        """The workspace's threads."""
        return Threads(self.policy)

    @property
    def shelf(self) -> Shelf:
        """What lies in them."""
        return Shelf(self.threads, self.serde)

    # -- reading ----------------------------------------------------------------------------------------------------

    def get(self, config: RunnableConfig) -> Plan[CheckpointTuple | None]:
        """The checkpoint that is meant, or the newest."""
        thread_id, thread, namespace = self._place(config)
        record = yield from self._record(config)
        if record is None:
            return None
        tasks = yield from self.shelf.writes(thread, namespace, [record])
        found = yield from self._tuples(thread_id, thread, ([record], tasks))
        self.held.remember(thread, namespace, record.checkpoint["id"], digests_of(record.values.values()))
        return found[0]

    def _record(self, config: RunnableConfig) -> Plan[Record | None]:
        _, thread, namespace = self._place(config)
        if checkpoint_id := get_checkpoint_id(config):
            return (yield from self.shelf.record(thread, namespace, checkpoint_id))
        records = yield from self.shelf.records(thread, namespace, limit=1)
        return records[0] if records else None

    def list(
        self,
        config: RunnableConfig | None,
        filter: Mapping[str, Any] | None,  # noqa: A002  LangGraph's name
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Stream:
        """The checkpoints, newest first in each namespace."""
        left = limit
        earlier_than = get_checkpoint_id(before) if before else None
        only = get_checkpoint_id(config) if config else None
        for thread_id, thread, namespace in (yield from self._places(config)):
            pages = _Pages(self.shelf, thread, namespace, earlier_than)
            while not pages.at_end and (left is None or left > 0):
                wanted = None if filter or only else left
                records, tasks = yield from pages.next(wanted, lambda record: _matches(record, filter, only))
                if left is not None:
                    records = records[:left]
                    left -= len(records)
                for found in (yield from self._tuples(thread_id, thread, (records, tasks))):
                    yield Emit(found)

    def _places(self, config: RunnableConfig | None) -> Plan[Sequence[tuple[Any, str, str]]]:
        """All that a list goes through: ids and names of threads, and their namespaces."""
        if config is not None:
            thread_id, thread, namespace = self._place(config)
            if "checkpoint_ns" in config["configurable"]:
                return [(thread_id, thread, namespace)]
            found = {thread: thread_id}
        else:
            names = yield from self.threads.all(self.prefix)
            found = {name: unquote(name.removeprefix(self.prefix)) for name in names}
        places = []
        for thread, thread_id in found.items():
            namespaces = yield from self.shelf.namespaces(thread)
            places += [(thread_id, thread, namespace) for namespace in namespaces]
        return places

    def _tuples(self, thread_id: Any, thread: str, page: Page) -> Plan[Sequence[CheckpointTuple]]:
        """Checkpoints as LangGraph wants them."""
        records, tasks = page
        writes = {one.checkpoint["id"]: in_order(tasks[one.checkpoint["id"]]) for one in records}
        stored = [value for one in records for value in one.values.values()]
        stored += [write.stored for one in records for _, write in writes[one.checkpoint["id"]]]
        values = iter((yield from self.shelf.unpacked(thread, stored)))
        channel_values = [dict(zip(one.values, values, strict=False)) for one in records]
        return [
            CheckpointTuple(
                config=config_of(thread_id, one.namespace, one.checkpoint["id"]),
                checkpoint={**one.checkpoint, "channel_values": its_values},
                metadata=one.metadata,
                parent_config=config_of(thread_id, one.namespace, one.parent) if one.parent else None,
                pending_writes=[
                    (task, write.channel, next(values)) for task, write in writes[one.checkpoint["id"]]
                ],
            )
            for one, its_values in zip(records, channel_values, strict=True)
        ]

    def delta_history(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> Plan[Mapping[str, DeltaChannelHistory]]:
        """For each channel its last snapshot before the checkpoint, and what was written since, along its parents."""
        _, thread, namespace = self._place(config)
        target = (yield from self._record(config)) if channels else None
        writes: dict[str, list[tuple[str, Write]]] = {channel: [] for channel in channels}
        seeds: dict[str, Any] = {}
        parent = target.parent if target else None
        pages = _Pages(self.shelf, thread, namespace, target.checkpoint["id"] if target else None)
        while parent is not None and len(seeds) < len(writes) and not pages.at_end:
            records, tasks = yield from pages.next(None, lambda _: True)
            for record in records:
                # Other branches lie between.
                if record.checkpoint["id"] != parent:
                    continue
                parent = record.parent
                for task_id, write in reversed(in_order(tasks[record.checkpoint["id"]])):
                    if write.channel in writes and write.channel not in seeds:
                        writes[write.channel].append((task_id, write))
                seeds |= {
                    channel: record.values[channel]
                    for channel in writes.keys() & record.values.keys() - seeds.keys()
                }
        stored = [write.stored for each in writes.values() for _, write in each] + list(seeds.values())
        values = iter((yield from self.shelf.unpacked(thread, stored)))
        history: dict[str, DeltaChannelHistory] = {
            channel: {"writes": [(task, channel, next(values)) for task, _ in each][::-1]}
            for channel, each in writes.items()
        }
        for channel in seeds:
            history[channel]["seed"] = next(values)
        return history

    # -- writing ----------------------------------------------------------------------------------------------------

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
    ) -> Plan[RunnableConfig]:
        """Store a checkpoint, with those of its values that its parent does not have already."""
        thread_id, thread, namespace = self._place(config)
        parent = get_checkpoint_id(config)
        packing = Packing(self.serde, self.held.by(thread, namespace, parent))
        values = {name: packing.pack(value) for name, value in checkpoint["channel_values"].items()}
        slim: Any = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        record = Record(slim, get_checkpoint_metadata(config, metadata), parent, namespace, values)
        if run_id := record.metadata.get("run_id"):
            yield from self._note_run(str(run_id), thread)
        key = checkpoint_key(namespace, checkpoint["id"])
        yield from self.threads.change(thread, [*packing.changes, item_of(key, record.dump(self.serde))])
        self.held.remember(thread, namespace, checkpoint["id"], packing.used)
        return config_of(thread_id, namespace, checkpoint["id"])

    def _note_run(self, run_id: str, thread: str) -> Plan[None]:
        """Write down that the run has checkpoints in this thread, before it has, and once in this process."""
        noted = run_thread(self.prefix, run_id)
        if thread not in self.held.by(noted, "", run_id):
            yield from self.threads.change(noted, [{"key": thread, "value": True}])
            self.held.remember(noted, "", run_id, {thread} | self.held.by(noted, "", run_id))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Plan[None]:
        """Store what a task wrote. Ordinary writes: the first stays; special ones (errors, interrupts): the last."""
        _, thread, namespace = self._place(config)
        checkpoint_id = config["configurable"]["checkpoint_id"]
        packing = Packing(self.serde)
        packed = [Write(index, channel, packing.pack(value)) for index, channel, value in indexed(writes)]

        def item(several: Iterable[Write], index: int = 0, **more: Any) -> dict[str, Any]:
            key = writes_key(namespace, checkpoint_id, task_id, index)
            return item_of(key, TaskWrites(task_id, task_path, tuple(several)).dump(self.serde), **more)

        changes = packing.changes + [item([one], one.index) for one in packed if one.index < 0]
        ordinary = {one.index: one for one in packed if one.index >= 0}
        if not ordinary:
            yield from self.threads.change(thread, changes)
            return
        version = 0
        while True:
            try:
                last = item(ordinary.values(), if_version=version)
                yield from self.threads.change(thread, [*changes, last])
                return
            except errors.VersionConflict:
                # The task has written before, which is rare: that stays.
                found = yield from self.threads.get(thread, [last["key"]])
                before = TaskWrites.load(self.serde, found[0]).writes if found else ()
                version = found[0]["version"] if found else 0
                ordinary |= {one.index: one for one in before}

    # -- deleting and copying ---------------------------------------------------------------------------------------

    def delete_thread(self, thread_id: str) -> Plan[None]:
        """Delete all of a thread."""
        thread = thread_name(self.prefix, thread_id)
        self.held.forget(thread)
        yield from self.threads.delete(thread)

    def copy_thread(self, source: str, target: str) -> Plan[None]:
        """Copy all of a thread. One that does not exist has nothing to be copied."""
        try:
            yield from self.threads.copy(thread_name(self.prefix, source), thread_name(self.prefix, target))
        except errors.NotFound:
            return

    def prune(self, thread_ids: Sequence[str], strategy: str) -> Plan[None]:
        """Delete what is old, or all."""
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"there is no strategy {strategy!r}; there are keep_latest and delete")
        for thread_id in thread_ids:
            if strategy == "delete":
                yield from self.delete_thread(thread_id)
                continue
            thread = thread_name(self.prefix, thread_id)
            self.held.forget(thread)
            for namespace in (yield from self.shelf.namespaces(thread)):
                kept = yield from self.shelf.kept_by_pruning(thread, namespace)
                yield from self.shelf.clear(thread, namespace, kept)
            yield from self.shelf.clear_values(thread)

    def delete_for_runs(self, run_ids: Sequence[str]) -> Plan[None]:
        """Delete what these runs have left."""
        for run_id in map(str, run_ids):
            noted = run_thread(self.prefix, run_id)
            for item in (yield from self.threads.items(noted, values=False)):
                thread = item["key"]
                self.held.forget(thread)
                for namespace in (yield from self.shelf.namespaces(thread)):
                    records = yield from self.shelf.records(thread, namespace)
                    kept = {one.checkpoint["id"] for one in records if one.metadata.get("run_id") != run_id}
                    yield from self.shelf.clear(thread, namespace, kept)
                yield from self.shelf.clear_values(thread)
            yield from self.threads.delete(noted)

    def _place(self, config: RunnableConfig) -> tuple[Any, str, str]:
        """The id of the thread, Perdure's name for it, and the namespace."""
        thread_id = config["configurable"]["thread_id"]
        return thread_id, thread_name(self.prefix, thread_id), config["configurable"].get("checkpoint_ns", "")


def _matches(record: Record, wanted: Mapping[str, Any] | None, only: str | None) -> bool:
    if only is not None and record.checkpoint["id"] != only:
        return False
    metadata: Mapping[str, Any] = record.metadata
    return all(metadata.get(name) == value for name, value in (wanted or {}).items())


class _Pages:
    """Goes through the checkpoints of a namespace, newest first."""

    def __init__(self, shelf: Shelf, thread: str, namespace: str, before: str | None) -> None:
        self._shelf, self._thread, self._namespace = shelf, thread, namespace
        self._after = before
        self.at_end = False

    def next(self, limit: int | None, wanted: Any) -> Plan[Page]:
        """Those of the next page that are wanted."""
        size = min(PAGE, limit or PAGE)
        after = checkpoint_key(self._namespace, self._after) if self._after else None
        records = yield from self._shelf.records(self._thread, self._namespace, limit=size, after=after)
        self.at_end = len(records) < size
        if records:
            self._after = records[-1].checkpoint["id"]
        records = [record for record in records if wanted(record)]
        return records, (yield from self._shelf.writes(self._thread, self._namespace, records))
