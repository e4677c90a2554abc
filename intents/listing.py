"""The list of intents: newest first, a page at a time, along an index however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.caller import Caller
from intents import coalescer
from intents.reading import eyes
from intents.records import Row

#: No page looks at more intents than this; a filter that few fit answers short pages instead of slow ones.
DEEPEST = 20_000
#: As PostgreSQL keeps it, compressed.
LARGEST_PAYLOAD = 8 * 1024
_NEWEST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which intents, and after which."""

    workspace_id: UUID
    #: instead of a whole workspace
    recipient_id: int | None = None
    statuses: frozenset[str] | None = None
    intent_type: str | None = None
    correlation_id: UUID | None = None
    before: UUID | None = None
    limit: int = 50

    @property
    def is_filtered(self) -> bool:
        return any(each is not None for each in (self.statuses, self.intent_type, self.correlation_id))


@dataclass(frozen=True, slots=True)
class Page:
    """Some intents, and where to go on if there may be more."""

    rows: list[Row]
    before: UUID | None


async def page(wanted: Wanted, caller: Caller) -> Page:
    """The newest intents that are wanted."""
    of = "workspace" if wanted.recipient_id is None else "agent"
    names: dict[str, Any] = {
        **eyes(caller),
        "recipient_id": wanted.recipient_id,
        "before": wanted.before or _NEWEST,
        "deepest": DEEPEST,
    }
    if of == "workspace":
        names["workspace_id"] = wanted.workspace_id
    rows = await coalescer.read(
        f"intents_of_{of}",
        **names,
        statuses=sorted(wanted.statuses) if wanted.statuses is not None else None,
        intent_type=wanted.intent_type,
        correlation_id=wanted.correlation_id,
        limit=wanted.limit + 1,
        largest_payload=LARGEST_PAYLOAD,
    )
    if len(rows) > wanted.limit:
        del rows[wanted.limit :]
        return Page(rows, rows[-1]["intent_id"])
    if wanted.is_filtered:
        for reached in await coalescer.read(f"depth_of_{of}", **names):
            return Page(rows, reached["id"])
    return Page(rows, None)
