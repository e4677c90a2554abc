"""Along what a search goes: its statements, put together from `sql/find*.sql`, and how they are run.

Only texts of ours are put together here; whatever somebody looks for is a bound parameter.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from agents import postgres
from intents import arrays, operations
from intents.lifecycle import Status
from intents.records import Row

T = TypeVar("T")

#: Statuses that `Standing` knows, of whatever intent.
RARE = frozenset({Status.WAITING, Status.FAILED, Status.CANCELED, Status.TIMED_OUT})
#: Open statuses that an intent has once an agent has been given it; what else has them is in `Standing`.
HANDED_OVER = frozenset({Status.DELIVERED, Status.ACKNOWLEDGED, Status.IN_PROGRESS})
#: What reads payloads is told to stop after so long, since nobody knows how large they are.
WINDOW_TIMEOUT_MS = 700
TOO_SLOW: list[Row] = [{"is_too_slow": True}]

#: route -> what is equal along its index, and the parameters that say to what
SHELVES: dict[str, tuple[tuple[str, str], ...]] = {
    "workspace": (("workspace_id", "uuid"),),
    "type": (("workspace_id", "uuid"), ("intent_type", "text")),
    "correlation": (("workspace_id", "uuid"), ("correlation_id", "uuid")),
    "agent": (("recipient_id", "bigint"),),
}

_PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of a search; `is_slow`: it may have to be told to stop."""

    text: str
    parameters: dict[str, Any]
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Along what to search, and for what."""

    name: str
    wanted: dict[str, Any]
    #: reads payloads
    is_slow: bool = False


@cache
def statement(kind: str, route: str, is_descending: bool = True) -> str:
    """The statement that looks through one window: `find`, `find_ids` or `find_number`, along that route."""
    names = {"order": "DESC" if is_descending else "ASC"}
    if (shelf := SHELVES.get(route)) is not None:
        columns = [f"intent.{column}" for column, _ in shelf]
        names |= {
            "shelf": ", ".join(columns),
            "place": ", ".join(f"%({column})s::{kind_of}" for column, kind_of in shelf),
            "keys": ", ".join(f"{column} {names['order']}" for column in (*columns, "intent.id")),
        }
        names["candidates"] = _source("find_on_shelf")
    else:
        names["keys"] = f"intent.id {names['order']}"
        names["candidates"] = _source(f"find_{route}")
    return _composed(_source(kind), names)


def _source(name: str) -> str:
    lines = (operations.SQL / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def _composed(source: str, names: Mapping[str, str]) -> str:
    """The statement with its parts put in: those named here, and else what the file of that name says."""

    def part(found: re.Match[str]) -> str:
        name = found[1]
        return _composed(names[name] if name in names else _source(name), names)

    return _PART.sub(part, source)


def is_too_slow(answer: list[Row]) -> bool:
    """Whether a window was too large to be looked through in time."""
    return answer is TOO_SLOW


def run(search: Generator[Query, list[Row], T]) -> T:
    """Run a search on Django's connection."""
    try:
        query = next(search)
        while True:
            query = search.send(_execute(query))
    except StopIteration as end:
        answer: T = end.value
        return answer


def _execute(query: Query) -> list[Row]:
    if not query.is_slow:
        return _rows(query)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {WINDOW_TIMEOUT_MS}")
            return _rows(query)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return TOO_SLOW
        raise


def _rows(query: Query) -> list[Row]:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(query.text, arrays.parameters(query.parameters))
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


async def run_on_pool(search: Generator[Query, list[Row], T]) -> T:
    """Run a search on the pool of this event loop."""
    try:
        query = next(search)
        while True:
            query = search.send(await _execute_on_pool(query))
    except StopIteration as end:
        answer: T = end.value
        return answer


async def _execute_on_pool(query: Query) -> list[Row]:
    parameters = arrays.parameters(query.parameters)
    if not query.is_slow:
        return await postgres.rows(query.text, parameters)
    try:
        async with postgres.connection() as pooled, pooled.transaction():
            await pooled.execute(f"SET LOCAL statement_timeout = {WINDOW_TIMEOUT_MS}")
            return await (await pooled.execute(query.text, parameters)).fetchall()
    except QueryCanceled:
        return TOO_SLOW
