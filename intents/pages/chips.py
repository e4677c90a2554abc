"""The filters in force, each with the address of the page without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agents.pages.statuses import STATUSES
from intents.filters import Filters
from intents.lifecycle import Status


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in words."""

    label: str
    value: str
    #: the query without it
    without: str


def chips(filters: Filters) -> Iterator[Chip]:
    """Each filter that is set."""
    words = [STATUSES[status][0] for status in Status if status in filters.statuses]
    shown = (
        ("status", "Status", " or ".join(words)),
        ("agent", "Agent", filters.agent),
        ("type", "Type", filters.intent_type),
        ("error", "Error", filters.error),
        ("retried", "Retried", filters.retried),
        ("correlation", "Correlation", str(filters.correlation_id or "")),
        ("within", "Within the last", filters.within),
        ("from", "From", f"{filters.since:%Y-%m-%d %H:%M} UTC" if filters.since else ""),
        ("to", "Until", f"{filters.until:%Y-%m-%d %H:%M} UTC" if filters.until else ""),
        ("q", "Search", filters.text),
    )
    for name, label, value in shown:
        if value:
            yield Chip(label, value, filters.without(name).query())
