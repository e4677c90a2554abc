"""Promises broken on purpose, in the processes of one run: the checker has to notice each, by the check that it names.

They are done to the running code, or by SQL to the run's own database; no file of the product knows of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

#: How long what was answered early is not written.
WRITTEN_LATER_SECONDS = 1.0


@dataclass(frozen=True)
class Mutation:
    """A broken promise: how it is broken, under which faults it shows, and what has to turn red."""

    name: str
    faults: tuple[str, ...]
    red: str
    apply: Callable[[], None] = lambda: None
    #: what the database is told after the boot
    sql: str = ""


def _fence_removed() -> None:
    from intents import operations

    included = operations._included
    operations._included = lambda name: "false" if name == "fence" else included(name)
    operations.text.cache_clear()


def _attempts_not_counted() -> None:
    _replace("claim", "attempt = delivery.attempt + 1", "attempt = GREATEST(delivery.attempt, 1)")


def _results_mixed_up() -> None:
    """Intents that end by the same statement all have the result of the first of them."""
    _replace(
        "finish",
        "SELECT id, seq, type, status, actor, details::jsonb,",
        "SELECT id, seq, type, status, actor, (first_value(details) OVER (ORDER BY place))::jsonb,",
    )


def _replace(statement: str, old: str, new: str) -> None:
    """Change one statement of the ledger."""
    from intents import operations

    text = operations.text

    def changed(name: str) -> str:
        found = text(name)
        if name != statement:
            return found
        assert old in found, f"{statement}.sql has no {old!r} any more"
        return found.replace(old, new)

    operations.text = changed  # type: ignore[assignment]


def _doorbell_only() -> None:
    """Nobody looks by itself any more: what no ring tells of is not known."""
    from intents import coalescer

    read = coalescer.read

    async def blind(name: str, **parameters: Any) -> Any:
        rows = await read(name, **parameters)
        return [{**row, "due": []} for row in rows] if name == "look" else rows

    coalescer.read = blind


def _answer_before_commit() -> None:
    """Submissions are answered at once, and written a while later."""
    from datetime import UTC, datetime

    from intents.gathering import Coalescer
    from intents.records import Submitted

    write = Coalescer.each
    tasks: set[asyncio.Task[Any]] = set()

    async def later(self: Coalescer[Any, Any], asked: Sequence[Any]) -> None:
        await asyncio.sleep(WRITTEN_LATER_SECONDS)
        await write(self, asked)

    async def answer(self: Coalescer[Any, Any], asked: Sequence[Any]) -> list[Any]:
        if self.name != "submit":
            return await write(self, asked)
        task = asyncio.create_task(later(self, asked))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return [Submitted("done", each.id, datetime.now(UTC)) for each in asked]

    Coalescer.each = answer  # type: ignore[method-assign]


MUTATIONS = {
    each.name: each
    for each in (
        Mutation(
            "fence-removed",
            ("freeze an agent past its lease",),
            "superseded-attempts-write-nothing",
            _fence_removed,
        ),
        Mutation(
            "unique-index-dropped",
            ("lose answers",),
            "one-intent-per-key",
            sql="ALTER TABLE intents_idempotencyrecord DROP CONSTRAINT intents_idempotencyrecord_pkey",
        ),
        Mutation("doorbell-only", ("drop all rings",), "delivered-without-rings", _doorbell_only),
        Mutation(
            "attempts-not-counted",
            ("kill an agent", "freeze an agent past its lease"),
            "attempts-are-counted",
            _attempts_not_counted,
        ),
        Mutation("results-mixed-up", ("kill an agent",), "ended-for-a-reason", _results_mixed_up),
        Mutation(
            "answer-before-commit",
            ("kill a web process",),
            "accepted-intents-are-kept",
            _answer_before_commit,
        ),
    )
}


def apply(name: str) -> None:
    """Break this promise in this process."""
    MUTATIONS[name].apply()
