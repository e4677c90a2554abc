"""What the routes of threads answer, for OpenAPI and the tests; the views make the answers themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from intents.api.schemas import Answer
from intents.models.thread import LONGEST_THREAD_ID


class CopyIn(BaseModel):
    """Where a copy goes."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=LONGEST_THREAD_ID)


class PruneIn(BaseModel):
    """Which items, and how many of them stay."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = ""
    keep: int = Field(1, ge=0, le=1_000_000)


class ThreadOut(Answer):
    """A thread, without what is in it."""

    thread: dict[str, Any]


class ThreadsOut(Answer):
    """A page of threads; `next_after` if there may be more."""

    threads: list[dict[str, Any]]
    next_after: str | None = None


class Deleted(Answer):
    """Whether there was something to delete."""

    deleted: bool


class NumberDeleted(Answer):
    """How much was deleted."""

    deleted: int


class ItemsOut(Answer):
    """Items; `next_after` if there may be more, `missing` for keys that there was no room to look for."""

    items: list[dict[str, Any]]
    next_after: str | None = None
    missing: list[str] | None = None


class PutOut(Answer):
    """An item as it is now, without its value."""

    created: bool
    item: dict[str, Any]


class AppendedOut(Answer):
    """Where the new entries are."""

    length: int
    first: int
    last: int


class EntriesOut(Answer):
    """Entries, and how long the log is; `next_after` if there may be more, `removed` if all were taken away."""

    length: int
    entries: list[dict[str, Any]] | None = None
    next_after: int | None = None
    removed: int | None = None
