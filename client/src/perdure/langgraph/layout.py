"""How checkpoints of LangGraph lie in a thread of Perdure: the names of items, and what is in them.

| Key | Item |
| --- | --- |
| `c:<namespace>:<checkpoint id>` | a checkpoint with its metadata, and its channels' values while they are small |
| `w:<namespace>:<checkpoint id>:<task id>` | what a task has written after it; errors and interrupts end in `:<n>` |
| `b:<hash>:<part>` | a part of a large value, kept once however many checkpoints share it |

All of them are made by the saver's own serializer, so what encrypts a checkpoint encrypts everything; to the server
they are bytes. Within a namespace, ids of checkpoints sort by age, and so do the keys.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

from langgraph.checkpoint.base import WRITES_IDX_MAP, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

#: A value up to this size lies in its checkpoint, a larger one beside it.
INLINE_BYTES = 8 * 1024
#: What a checkpoint holds of such values at most.
INLINE_BYTES_TOGETHER = 256 * 1024
#: Large values are cut into parts: a server takes values of up to 1 MiB.
PART_BYTES = 768 * 1024
#: What goes into one batch, in bytes before they become base64, and in changes.
BATCH_BYTES, BATCH_CHANGES = 4 * 1024 * 1024, 400
#: A longer namespace is known by its hash; what is deeply nested has long ones.
NAMESPACE_CHARACTERS = 240

#: What `dumps_typed` makes: the name of a format, and bytes in it.
Typed: TypeAlias = tuple[str, bytes]
#: A value in its checkpoint: as it is, or as the hash and the number of the parts that lie beside it.
Stored: TypeAlias = Sequence[Any]
#: A change of a batch.
Change: TypeAlias = dict[str, Any]

_CONTENT_TYPE = re.compile(r'application/vnd\.langgraph; *serde="?([^";]+)"?')


def thread_name(prefix: str, thread_id: object) -> str:
    """Perdure's name for a thread of LangGraph."""
    return prefix + quote(str(thread_id), safe="")


def namespace_name(namespace: str) -> str:
    """A namespace as a part of a key."""
    name = quote(namespace, safe="")
    return name if len(name) <= NAMESPACE_CHARACTERS else "~" + hashlib.sha256(namespace.encode()).hexdigest()


def checkpoint_key(namespace: str, checkpoint_id: str) -> str:
    """The key of a checkpoint; without an id, the prefix of all of the namespace."""
    return f"c:{namespace_name(namespace)}:{quote(checkpoint_id, safe='')}"


def writes_key(namespace: str, checkpoint_id: str, task_id: str = "", index: int = 0) -> str:
    """The key of a task's writes, or of its one special write; without a task, the prefix of all of the checkpoint."""
    key = f"w:{namespace_name(namespace)}:{quote(checkpoint_id, safe='')}:{quote(task_id, safe='')}"
    return f"{key}:{-index}" if index < 0 else key


def item_of(key: str, typed: Typed, **more: Any) -> Change:
    """The change that stores something serialized."""
    form, content = typed
    return {
        "key": key,
        "value_base64": base64.b64encode(content).decode(),
        "content_type": f'application/vnd.langgraph; serde="{form}"',
        **more,
    }


def typed_of(item: Mapping[str, Any]) -> Typed:
    """What `item_of` stored."""
    found = _CONTENT_TYPE.fullmatch(item["content_type"])
    if found is None:
        raise ValueError(f"{item['key']} is {item['content_type']}, not something of LangGraph")
    return found[1], base64.b64decode(item["value_base64"])


@dataclass(slots=True)
class Record:
    """A checkpoint as it is stored."""

    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent: str | None
    namespace: str
    values: dict[str, Stored]

    def dump(self, serde: SerializerProtocol) -> Typed:
        """What is stored of it."""
        return serde.dumps_typed([self.checkpoint, self.metadata, self.parent, self.namespace, self.values])

    @classmethod
    def load(cls, serde: SerializerProtocol, item: Mapping[str, Any]) -> Record:
        """What `dump` made."""
        return cls(*serde.loads_typed(typed_of(item)))


@dataclass(frozen=True, slots=True)
class Write:
    """What a task wrote to a channel."""

    index: int
    channel: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class TaskWrites:
    """What a task wrote in one go."""

    task_id: str
    task_path: str
    writes: tuple[Write, ...]

    def dump(self, serde: SerializerProtocol) -> Typed:
        """What is stored of it."""
        return serde.dumps_typed(
            [self.task_id, self.task_path, [[one.index, one.channel, one.stored] for one in self.writes]]
        )

    @classmethod
    def load(cls, serde: SerializerProtocol, item: Mapping[str, Any]) -> TaskWrites:
        """What `dump` made."""
        task_id, task_path, writes = serde.loads_typed(typed_of(item))
        return cls(task_id, task_path, tuple(Write(*one) for one in writes))


def in_order(tasks: Iterable[TaskWrites]) -> list[tuple[str, Write]]:
    """All writes with their task's id, in the order in which a run would apply them."""
    pairs = [(task, one) for task in tasks for one in task.writes]
    pairs.sort(key=lambda pair: (pair[0].task_path, pair[0].task_id, pair[1].index))
    return [(task.task_id, one) for task, one in pairs]


@dataclass(slots=True)
class Packing:
    """Decides what lies in an item and what beside it, and gathers what has to be sent for that."""

    serde: SerializerProtocol
    #: hashes that are known to be stored
    held: frozenset[str] = frozenset()
    changes: list[Change] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    _inline: int = 0

    def pack(self, value: Any) -> Stored:
        """The value as it is to be stored."""
        form, content = self.serde.dumps_typed(value)
        if len(content) <= INLINE_BYTES and self._inline + len(content) <= INLINE_BYTES_TOGETHER:
            self._inline += len(content)
            return form, content
        digest = hashlib.sha256(form.encode() + b"\0" + content).hexdigest()
        parts = range(0, len(content), PART_BYTES)
        if digest not in self.held and digest not in self.used:
            for number, start in enumerate(parts):
                part = content[start : start + PART_BYTES]
                self.changes.append(item_of(f"b:{digest}:{number:04}", (form, part)))
        self.used.add(digest)
        return form, digest, len(parts)


def keys_of(stored: Stored) -> list[str]:
    """The keys of the parts of a value; none if it lies in its checkpoint."""
    if len(stored) == 2:
        return []
    _, digest, parts = stored
    return [f"b:{digest}:{number:04}" for number in range(parts)]


def unpack(serde: SerializerProtocol, stored: Stored, parts: Mapping[str, bytes]) -> Any:
    """The value that was packed. `parts` has what lies beside, by key."""
    content = stored[1] if len(stored) == 2 else b"".join(parts[key] for key in keys_of(stored))
    return serde.loads_typed((stored[0], content))


def indexed(writes: Sequence[tuple[str, Any]]) -> Iterator[tuple[int, str, Any]]:
    """Writes with the number under which LangGraph knows them: special ones have their own, below zero."""
    for index, (channel, value) in enumerate(writes):
        yield WRITES_IDX_MAP.get(channel, index), channel, value


def batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in as few batches as a server takes. What is in the last change is in the last batch."""
    batch: list[Change] = []
    size = 0
    for change in changes:
        weight = len(change.get("value_base64", "")) * 3 // 4 + 200
        if batch and (size + weight > BATCH_BYTES or len(batch) >= BATCH_CHANGES):
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += weight
    if batch:
        yield batch
