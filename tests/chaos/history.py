"""The clients' own history: JSON Lines that survive the death of who wrote them, one file a process.

Every request is noted before it is made (`invoke`) and after (`ok`, `failed`: it was refused, `unknown`: nobody can
say). Whatever else a client knows (work begun, steps done, events seen) is a line of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

#: Of all requests of this process: several of its parts may keep a journal of the same name, one after the other.
_numbers = count(1)


class Journal:
    """One process's part of the history. A line is written by one call, so that a kill leaves whole lines."""

    def __init__(self, directory: Path, who: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.who = who
        self._process = f"{who}-{os.getpid()}"
        self._file = os.open(
            directory / f"{self._process}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )

    def note(self, kind: str, **facts: Any) -> None:
        """Write down a fact, now."""
        entry = {"at": time.time(), "who": self.who, "kind": kind, **facts}
        os.write(self._file, json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    def invoke(self, do: str, **facts: Any) -> Operation:
        """Note that a request is about to be made."""
        return Operation(self, f"{self._process}:{next(_numbers)}", do, facts)


class Operation:
    """A request that was noted; its outcome is noted once."""

    def __init__(self, journal: Journal, number: str, do: str, facts: Entry) -> None:
        self._journal, self.number, self.do = journal, number, do
        journal.note("invoke", op=number, do=do, **facts)

    def ok(self, **facts: Any) -> None:
        """It was answered with success."""
        self._journal.note("ok", op=self.number, do=self.do, **facts)

    def failed(self, **facts: Any) -> None:
        """It was refused: nothing was changed by it."""
        self._journal.note("failed", op=self.number, do=self.do, **facts)

    def unknown(self, **facts: Any) -> None:
        """No answer, or one that promises nothing: it may have been done, or not."""
        self._journal.note("unknown", op=self.number, do=self.do, **facts)


def read(directory: Path) -> list[Entry]:
    """All lines of all clients, in the order of their times."""
    entries = [entry for path in sorted(directory.glob("*.jsonl")) for entry in _lines(path)]
    return sorted(entries, key=lambda entry: entry["at"])


def _lines(path: Path) -> Iterator[Entry]:
    for line in path.read_bytes().split(b"\n"):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:  # the disk was full, or the machine died, in the middle of a line
                continue


def of_kind(entries: Iterable[Entry], *kinds: str) -> list[Entry]:
    """Those of these kinds."""
    return [entry for entry in entries if entry["kind"] in kinds]
