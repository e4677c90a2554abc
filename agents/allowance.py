"""Judging by a policy, without a database: may this intent pass, and whose limits does it use up?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from agents.models.policy import ActionMode, OnBreach

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that is used up."""

    dimension: str
    used: int | float
    limit: int | float
    resets_at: datetime

    def details(self) -> dict[str, Any]:
        """What a client is told."""
        return {
            "dimension": self.dimension,
            "used": self.used,
            "limit": self.limit,
            "reset_at": _timestamp(self.resets_at),
        }


@dataclass(slots=True)
class Allowance:
    """What an agent's policy leaves, as of now: a locked row, and what is being used of it."""

    agent_id: int
    address: str
    #: now by the database's clock, and when this hour and this day began, in UTC
    at: datetime
    this_hour: datetime
    today: datetime
    max_intents_per_hour: int | None
    max_intents_per_day: int | None
    max_cost_per_day_usd: Decimal | None
    cost_today: Decimal
    action_on_breach: str
    mode: str
    intent_types: Sequence[str]
    hour: datetime | None
    intents_in_hour: int
    day: datetime | None
    intents_in_day: int
    told: dict[str, str]
    #: breaches that nobody has been told of in this hour or on this day
    news: list[Breach] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.hour != self.this_hour:
            self.hour, self.intents_in_hour = self.this_hour, 0
        if self.day != self.today:
            self.day, self.intents_in_day = self.today, 0

    def permits(self, intent_type: str) -> bool:
        """Whether intents of this type may pass."""
        is_listed = any(_fits(intent_type, pattern) for pattern in self.intent_types)
        return is_listed if self.mode == ActionMode.ALLOW else not is_listed

    def breach(self) -> Breach | None:
        """The limit that keeps the next intent from passing; None if it may, though there be something to tell."""
        breaches = list(self._breaches())
        for each in breaches:
            if self.told.get(each.dimension) != (until := _timestamp(each.resets_at)):
                self.told[each.dimension] = until
                self.news.append(each)
        return breaches[0] if breaches and self.action_on_breach == OnBreach.BLOCK else None

    def use(self, number: int = 1) -> None:
        """Count an intent that passes; or, with -1, one that did not after all."""
        self.intents_in_hour += number
        self.intents_in_day += number

    def _breaches(self) -> Iterator[Breach]:
        hour_ends, day_ends = self.this_hour + HOUR, self.today + DAY
        if (limit := self.max_intents_per_hour) is not None and self.intents_in_hour >= limit:
            yield Breach("intents_per_hour", self.intents_in_hour, limit, hour_ends)
        if (limit := self.max_intents_per_day) is not None and self.intents_in_day >= limit:
            yield Breach("intents_per_day", self.intents_in_day, limit, day_ends)
        if (most := self.max_cost_per_day_usd) is not None and self.cost_today >= most:
            yield Breach("cost_per_day_usd", float(self.cost_today), float(most), day_ends)


def _fits(intent_type: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return intent_type.startswith(pattern[:-1])
    return intent_type == pattern


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
