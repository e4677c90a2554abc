"""What there is to judge by: the clients' history, and the rows of the database when all was over."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.history import Entry

Row = dict[str, Any]

#: What is read of the database: a row is `{"table": …}` and these columns.
QUERIES = {
    "intent": """
        SELECT intent.id::text, organization.slug AS tenant, intent.status, intent.seq, intent.attempt,
            intent.max_delivery_attempts AS maximum, intent.payload ->> 'marker' AS marker,
            (intent.payload ->> 'poison')::boolean AS poison, intent.retry_of_id::text AS retry_of,
            extract(epoch FROM intent.deadline_at)::float8 AS deadline
        FROM intents_intent AS intent
        JOIN agents_organization AS organization ON organization.id = intent.organization_id
    """,
    "event": """
        SELECT intent_id::text AS intent, seq, type, status, details, extract(epoch FROM at)::float8 AS at
        FROM intents_event ORDER BY intent_id, seq
    """,
    "delivery": """
        SELECT intent_id::text AS intent, attempt, lease_token::text AS lease FROM intents_delivery
    """,
    "checkpoint": """
        SELECT intent_id::text AS intent, step, attempt, convert_from(value, 'UTF8')::jsonb AS value,
            extract(epoch FROM at)::float8 AS at
        FROM intents_checkpoint ORDER BY intent_id, position
    """,
}


@dataclass
class Evidence:
    """All of it, by intent."""

    entries: list[Entry]
    intents: dict[str, Row] = field(default_factory=dict)
    events: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    deliveries: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    checkpoints: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, entries: Iterable[Entry], rows: Iterable[Row]) -> Evidence:
        evidence = cls(list(entries))
        for row in rows:
            match row["table"]:
                case "intent":
                    evidence.intents[row["id"]] = row
                case "event":
                    evidence.events[row["intent"]].append(row)
                case "delivery":
                    evidence.deliveries[row["intent"]].append(row)
                case "checkpoint":
                    evidence.checkpoints[row["intent"]].append(row)
        return evidence

    def of_kind(self, *kinds: str) -> list[Entry]:
        return [entry for kind in kinds for entry in self._by_kind[kind]]

    @cached_property
    def _by_kind(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            found[entry["kind"]].append(entry)
        return found

    @cached_property
    def invoked(self) -> dict[str, Entry]:
        """By number: the requests as they were made."""
        return {entry["op"]: entry for entry in self.of_kind("invoke")}

    @cached_property
    def outcomes(self) -> dict[str, Entry]:
        """By number: what came of the requests, of those where anything did."""
        return {entry["op"]: entry for entry in self.of_kind("ok", "failed", "unknown")}

    def requests(self, *do: str) -> Iterator[tuple[Entry, Entry]]:
        """Those of this kind, each with its outcome; who died before there was one knows nothing."""
        for number, asked in self.invoked.items():
            if asked["do"] in do:
                yield asked, self.outcomes.get(number, {"kind": "unknown", "at": asked["at"]})

    @cached_property
    def began(self) -> dict[str, Entry]:
        """By its own name: each time that an agent began to work."""
        return {entry["run"]: entry for entry in self.of_kind("run")}

    @cached_property
    def runs(self) -> dict[str, list[Entry]]:
        """By intent: the times that an agent began to work on it."""
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.of_kind("run"):
            found[entry["intent"]].append(entry)
        return found

    def landed(self, *faults: str) -> list[str]:
        """Those of these faults that did what they were to do."""
        return sorted({each["fault"] for each in self.of_kind("fault") if each["landed"]} & {*faults})

    @cached_property
    def patience(self) -> float:
        """How many times as long as alone a process took on this machine."""
        return max((float(each["patience"]) for each in self.of_kind("slowness")), default=1.0)


def from_database(url: str) -> Iterator[Row]:
    """The rows as they are now."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table, query in QUERIES.items():
            with connection.cursor(name=f"rows_{table}") as cursor:
                cursor.itersize = 5000
                cursor.execute(query)
                for row in cursor:
                    yield {"table": table, **row}


def save(rows: Iterable[Row], path: Path) -> None:
    """Keep the rows beside the history: they outlive the database."""
    with path.open("w") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def load(path: Path) -> list[Row]:
    """Rows that were kept."""
    return [json.loads(line) for line in path.read_text().splitlines()]
