"""The board: one loop a process that looks for all open lists of the dashboard.

A ring, or a second while somebody watches → one statement for all lists together → each is told what is new to it. At
most two looks a second, however much happens and however many watch. Rings may be lost; the look each second compares
what the pages show with what is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from agents.postgres import DatabaseUnavailable
from intents import coalescer, finding, rows
from intents.realtime.open_list import OpenList
from intents.realtime.stopping import stop
from intents.records import Row
from intents.rows import ListRow

logger = logging.getLogger(__name__)

#: How often the lists are looked at without a ring.
SAFETY_SECONDS = 1.0
#: The least time between two looks.
PACE_SECONDS = 0.5
#: Of one filter's new intents so many are read at a time; of more it is said that there are.
MOST_FRESH = 200
#: Rings that are kept for the next look; the others are found by comparison, but for a few that come to fit a filter.
MOST_RUNG = 1_000
#: An intent may be committed so long after its id was made.
LATENESS = timedelta(seconds=10)


class Board:
    """Looks for everybody in this process who has a list open."""

    def __init__(self) -> None:
        self._lists: set[OpenList] = set()
        #: filters → the id after which an intent would be new
        self._floors: dict[tuple[Any, ...], UUID] = {}
        self._rung: set[UUID] = set()
        self._wake = asyncio.Event()
        self._looked_at = 0.0
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="board")

    async def stop(self) -> None:
        """Close all lists and end."""
        self.close_lists()
        if self._task:
            await stop([self._task])

    def close_lists(self) -> None:
        """Let every reader know that nothing will follow; whoever comes now, too."""
        self._is_over = True
        for each in list(self._lists):
            each.close()

    @contextmanager
    def watch(self, opened: OpenList) -> Iterator[None]:
        """Keep this list told, from what it shows on."""
        self._lists.add(opened)
        if self._is_over:
            opened.close()
        self._wake.set()
        try:
            yield
        finally:
            self._lists.discard(opened)

    def hear(self, intents: Iterable[UUID]) -> None:
        """These have changed; look, if anybody here has a list open."""
        if self._lists:
            if len(self._rung) < MOST_RUNG:
                self._rung.update(intents)
            self._wake.set()

    def look_at_everything(self) -> None:
        """Anything may have changed."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SAFETY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(max(0.0, self._looked_at + PACE_SECONDS - monotonic()))
            self._wake.clear()
            try:
                await self._look()
            except DatabaseUnavailable:
                self._wake.set()
            except Exception:
                logger.exception("the board failed to look")
                await asyncio.sleep(SAFETY_SECONDS)

    async def _look(self) -> None:
        lists = [each for each in self._lists if not each.is_closed]
        if not lists:
            return
        self._looked_at, began = monotonic(), datetime.now(UTC)
        rung, self._rung = self._rung, set()
        filters = self._filters(lists)
        found = await coalescer.read("board", **_shown(lists), **_asked(filters), **_rung(lists, rung))
        news = [row for row in found if any(each.is_news(row) for each in lists)]
        if news:
            built = await finding.run_on_pool(rows.build(news))
            self._tell(filters, news, built)
        floor = finding.earliest(began - LATENESS)
        self._floors = {key: max(floor, self._floors.get(key, floor)) for key in filters}

    def _filters(self, lists: Iterable[OpenList]) -> dict[tuple[Any, ...], tuple[list[OpenList], UUID]]:
        """The lists by their filters, and after which id an intent is new to them."""
        grouped: dict[tuple[Any, ...], list[OpenList]] = {}
        for each in lists:
            grouped.setdefault(_key(each), []).append(each)
        begin = finding.earliest(datetime.now(UTC) - LATENESS)
        return {key: (group, self._floors.get(key, begin)) for key, group in grouped.items()}

    def _tell(
        self,
        filters: dict[tuple[Any, ...], tuple[list[OpenList], UUID]],
        news: list[Row],
        built: list[ListRow],
    ) -> None:
        changed = [row for raw, row in zip(news, built, strict=True) if raw["number"] is None]
        fresh: dict[int, list[ListRow]] = {}
        for raw, row in zip(news, built, strict=True):
            if raw["number"] is not None:
                fresh.setdefault(raw["number"], []).append(row)
        for number, (group, _) in enumerate(filters.values()):
            new = fresh.get(number, [])
            for each in group:
                each.tell(changed, new if each.is_newest else (), is_more=len(new) >= MOST_FRESH)
                if each.is_overrun:
                    self._lists.discard(each)


def _key(opened: OpenList) -> tuple[Any, ...]:
    values = opened.wanted.values()
    return (opened.is_newest, *(tuple(value) if isinstance(value, list) else value for value in values))


def _shown(lists: Iterable[OpenList]) -> dict[str, Any]:
    """What is shown somewhere, each with the lowest number that a page has of it."""
    shown: dict[UUID, int] = {}
    for each in lists:
        for intent_id, seq in each.known.items():
            if shown.get(intent_id, seq) >= seq:
                shown[intent_id] = seq
    return {"ids": list(shown), "seqs": list(shown.values())}


def _asked(filters: dict[tuple[Any, ...], tuple[list[OpenList], UUID]]) -> dict[str, Any]:
    asked = [
        (number, group[0].wanted, floor)
        for number, (group, floor) in enumerate(filters.values())
        if group[0].is_newest
    ]

    def column(name: str) -> list[Any]:
        return [wanted[name] for _, wanted, _ in asked]

    def joined(name: str, by: str) -> list[str | None]:
        return [by.join(values) if values is not None else None for values in column(name)]

    return {
        "numbers": [number for number, _, _ in asked],
        "newest": [floor for _, _, floor in asked],
        "workspaces": column("workspace_id"),
        "recipients": column("recipient_id"),
        "types": column("intent_type"),
        "correlations": column("correlation_id"),
        "sinces": column("since"),
        "untils": column("until"),
        "named_ids": column("named_id"),
        "errors": column("error"),
        "retried": column("is_retried"),
        "statuses": joined("statuses", ","),
        "words": joined("words", "\x1e"),
        "paths": joined("paths", "\x1e"),
        "values": joined("values", "\x1e"),
        "most": MOST_FRESH,
    }


def _rung(lists: Iterable[OpenList], rung: set[UUID]) -> dict[str, Any]:
    """Only where an intent can come to fit a filter by a change, its ring has to be looked into."""
    is_by_status = any(each.is_newest and each.is_by_status for each in lists)
    return {"rung": list(rung)[:MOST_RUNG] if is_by_status else []}
