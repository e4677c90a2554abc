"""What a saver of LangGraph asks of a thread of Perdure, as plans: none of them knows whether it blocks or awaits."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from langgraph.checkpoint.serde.base import SerializerProtocol

from perdure import errors
from perdure.langgraph.layout import (
    Change,
    Record,
    Stored,
    TaskWrites,
    batches,
    checkpoint_key,
    keys_of,
    unpack,
    writes_key,
)
from perdure.plans import Plan, Policy, json_of, request, segment

#: How many checkpoints are read at once, and how many keys.
PAGE, KEYS = 100, 1000
#: After the colon: a key that ends in it comes behind all that go on after a colon.
BEHIND = ";"


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads of a workspace, by Perdure's names for them."""

    policy: Policy

    def all(self, prefix: str) -> Plan[list[str]]:
        """The names that begin like this."""
        names: list[str] = []
        after = None
        while True:
            answer = yield from self._ask("GET", "", params={"prefix": prefix, "after": after, "limit": KEYS})
            names += [thread["thread_id"] for thread in answer["threads"]]
            if (after := answer.get("next_after")) is None:
                return names

    def delete(self, thread: str) -> Plan[None]:
        """Delete all that is in the thread."""
        yield from self._ask("DELETE", f"/{segment(thread)}")

    def copy(self, thread: str, to: str) -> Plan[None]:
        """Copy all that is in the thread to a new one."""
        yield from self._ask("POST", f"/{segment(thread)}/copy", json={"to": to})

    def items(
        self, thread: str, *, after: str | None = None, limit: int | None = None, **how: Any
    ) -> Plan[list[Any]]:
        """Items in the order of their keys, all or the first so many, with their values unless `values=False`."""
        found: list[Any] = []
        path = f"/{segment(thread)}/items"
        while True:
            room = KEYS if limit is None else min(KEYS, limit - len(found))
            answer = yield from self._ask(
                "GET", path, params={"values": True, **how, "after": after, "limit": room}
            )
            found += answer["items"]
            after = answer.get("next_after")
            if after is None or (limit is not None and len(found) >= limit):
                return found
            how.pop("start", None)  # `after` goes on from there

    def get(self, thread: str, keys: Iterable[str]) -> Plan[list[Any]]:
        """Those of the items that there are."""
        wanted, found = list(keys), []
        while wanted:
            path, asked = f"/{segment(thread)}/items/get", {"keys": wanted[:500]}
            answer = yield from self._ask("POST", path, json=asked, idempotency_key=False)
            found += answer["items"]
            wanted = [*answer.get("missing", ()), *wanted[500:]]
        return found

    def change(self, thread: str, changes: Sequence[Change]) -> Plan[None]:
        """Change items, in batches that happen all together or not at all."""
        path = f"/{segment(thread)}/items/batch"
        for batch in batches(changes):
            # Doing it twice is the same as doing it once, unless it asks for a version.
            once = any("if_version" in change for change in batch)
            yield from self._ask("POST", path, json=batch, idempotency_key=once)

    def remove(self, thread: str, keys: Iterable[str]) -> Plan[None]:
        """Delete items."""
        yield from self.change(thread, [{"key": key, "delete": True} for key in keys])

    def _ask(self, method: str, path: str, **what: Any) -> Plan[dict[str, Any]]:
        return json_of(request(method, f"/v1/threads{path}", **what), self.policy)


@dataclass(slots=True)
class Held:
    """Remembers which large values the latest checkpoints have, so that they are not sent again with the next one.

    Only what the very parent of a checkpoint refers to counts: that is what pruning keeps.
    """

    size: int = 1000
    _known: OrderedDict[tuple[str, str], tuple[str, frozenset[str]]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def remember(self, thread: str, namespace: str, checkpoint_id: str, digests: Iterable[str]) -> None:
        """The checkpoint is stored, and so are these."""
        with self._lock:
            self._known[thread, namespace] = checkpoint_id, frozenset(digests)
            self._known.move_to_end((thread, namespace))
            while len(self._known) > self.size:
                self._known.popitem(last=False)

    def forget(self, thread: str) -> None:
        """Something was deleted from the thread."""
        with self._lock:
            for known in [known for known in self._known if known[0] == thread]:
                del self._known[known]

    def by(self, thread: str, namespace: str, checkpoint_id: str | None) -> frozenset[str]:
        """What is known to be stored with that checkpoint."""
        with self._lock:
            known, digests = self._known.get((thread, namespace), (None, frozenset()))
            return digests if checkpoint_id is not None and known == checkpoint_id else frozenset()


def digests_of(stored: Iterable[Stored]) -> set[str]:
    """The hashes of those values that lie beside."""
    return {one[1] for one in stored if len(one) == 3}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Reads and clears what lies in threads."""

    threads: Threads
    serde: SerializerProtocol

    def records(
        self, thread: str, namespace: str, *, limit: int | None = None, **how: Any
    ) -> Plan[list[Record]]:
        """Checkpoints of a namespace, newest first."""
        prefix = checkpoint_key(namespace, "")
        items = yield from self.threads.items(thread, prefix=prefix, order="desc", limit=limit, **how)
        return [Record.load(self.serde, item) for item in items]

    def record(self, thread: str, namespace: str, checkpoint_id: str) -> Plan[Record | None]:
        """That checkpoint."""
        items = yield from self.threads.get(thread, [checkpoint_key(namespace, checkpoint_id)])
        return Record.load(self.serde, items[0]) if items else None

    def writes(
        self, thread: str, namespace: str, records: Sequence[Record]
    ) -> Plan[dict[str, list[TaskWrites]]]:
        """What was written after these checkpoints, which are in order, newest first; by their ids."""
        ids = [record.checkpoint["id"] for record in records]
        tasks: dict[str, list[TaskWrites]] = {checkpoint_id: [] for checkpoint_id in ids}
        if len(ids) == 1:
            found = yield from self.threads.items(thread, prefix=writes_key(namespace, ids[0]))
        elif ids:
            found = yield from self._writes_between(thread, namespace, ids[0], ids[-1])
        else:
            found = []
        for item in found:
            checkpoint_id = unquote(item["key"].split(":")[2])
            if checkpoint_id in tasks:
                tasks[checkpoint_id].append(TaskWrites.load(self.serde, item))
        return tasks

    def _writes_between(self, thread: str, namespace: str, newest: str, oldest: str) -> Plan[list[Any]]:
        everything = checkpoint_key(namespace, "").replace("c:", "w:", 1)
        start, end = writes_key(namespace, newest)[:-1] + BEHIND, writes_key(namespace, oldest)
        found: list[Any] = []
        after = None
        while True:
            how = {"start": start} if after is None else {}
            page = yield from self.threads.items(
                thread, prefix=everything, order="desc", after=after, limit=PAGE, **how
            )
            found += [item for item in page if item["key"] >= end]
            if len(page) < PAGE or page[-1]["key"] < end:
                return found
            after = page[-1]["key"]

    def unpacked(self, thread: str, values: Collection[Stored]) -> Plan[list[Any]]:
        """The values, with what of them lies beside."""
        keys = {key: None for stored in values for key in keys_of(stored)}
        items = yield from self.threads.get(thread, keys)
        parts = {item["key"]: base64.b64decode(item["value_base64"]) for item in items}
        if lost := keys.keys() - parts.keys():
            raise errors.NotRecoverable(f"a part of a checkpoint is no longer in {thread}: {min(lost)}")
        return [unpack(self.serde, stored, parts) for stored in values]

    def namespaces(self, thread: str) -> Plan[list[str]]:
        """The namespaces that have checkpoints."""
        found: list[str] = []
        start = "c:"
        while True:
            first = yield from self.threads.items(thread, prefix="c:", start=start, limit=1)
            if not first:
                return found
            found.append(Record.load(self.serde, first[0]).namespace)
            start = checkpoint_key(found[-1], "")[:-1] + BEHIND

    def clear(self, thread: str, namespace: str, kept: Collection[str]) -> Plan[None]:
        """Delete all checkpoints of a namespace but these, and what was written after them."""
        doomed: list[str] = []
        prefix = checkpoint_key(namespace, "")
        for each in (prefix, prefix.replace("c:", "w:", 1)):
            items = yield from self.threads.items(thread, prefix=each, values=False)
            doomed += [item["key"] for item in items if unquote(item["key"].split(":")[2]) not in kept]
        yield from self.threads.remove(thread, doomed)

    def clear_values(self, thread: str) -> Plan[None]:
        """Delete large values that no checkpoint has any more."""
        # Looked at first: what is stored from now on is not among them.
        parts = yield from self.threads.items(thread, prefix="b:", values=False)
        if not parts:
            return
        used: set[str] = set()
        for item in (yield from self.threads.items(thread, prefix="c:")):
            used |= digests_of(Record.load(self.serde, item).values.values())
        for item in (yield from self.threads.items(thread, prefix="w:")):
            used |= digests_of(one.stored for one in TaskWrites.load(self.serde, item).writes)
        yield from self.threads.remove(
            thread, [item["key"] for item in parts if item["key"].split(":")[1] not in used]
        )

    def kept_by_pruning(self, thread: str, namespace: str) -> Plan[set[str]]:
        """The ids of the newest checkpoint and of those that it cannot be read without.

        A delta channel is rebuilt from its last snapshot and what was written since, along the line of parents.
        """
        kept: set[str] = set()
        newest = yield from self.records(thread, namespace, limit=1)
        record = newest[0] if newest else None
        counters: Mapping[str, Any] = (
            (record.metadata.get("counters_since_delta_snapshot") or {}) if record else {}
        )
        wanted = set(counters)
        while record is not None:
            kept.add(record.checkpoint["id"])
            wanted -= record.values.keys()
            if not wanted or record.parent is None:
                break
            record = yield from self.record(thread, namespace, record.parent)
        return kept


def run_thread(prefix: str, run_id: str) -> str:
    """The thread that lists in which threads a run has left checkpoints."""
    return f"runs-of-{prefix}{quote(run_id, safe='')}"
