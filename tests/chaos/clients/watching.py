"""Those who look on: by the stream of an intent's events from any cursor, by asking again and again, and by lists."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from tests.chaos.clients.asking import Asker

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "TIMED_OUT"})
ENDS = frozenset({"intent.completed", "intent.failed", "intent.canceled", "intent.timed_out"})
#: After the load is over an observer has so long to see the end.
GRACE_SECONDS = 4.0


async def watch_by_stream(asker: Asker, intent_id: str, after: int, is_over: asyncio.Event) -> None:
    """Follow the stream from a cursor; when it breaks, from where it broke. What was seen is noted in one line."""
    seen: list[tuple[int, str]] = []
    breaks = 0
    while not (seen and seen[-1][1] in ENDS) and not is_over.is_set() and breaks < 60:
        cursor = seen[-1][0] if seen else after
        try:
            async with asyncio.timeout(20):
                await _follow(asker, intent_id, cursor, seen)
        except (httpx.HTTPError, TimeoutError, ValueError):
            breaks += 1
            await asyncio.sleep(0.3)
        else:
            if not seen:
                break  # there was nothing after the cursor, and never will be
    asker.journal.note("watched", how="stream", intent=intent_id, after=after, events=seen, breaks=breaks)


async def _follow(asker: Asker, intent_id: str, cursor: int, seen: list[tuple[int, str]]) -> None:
    async with asker.door().stream("GET", f"/v1/intents/{intent_id}/events/stream?since={cursor}") as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                asker.see(line.encode())
                event = json.loads(line[5:])
                if "seq" in event and "event_type" in event:
                    seen.append((int(event["seq"]), str(event["event_type"])))


async def watch_by_polling(asker: Asker, intent_id: str, after: int, is_over: asyncio.Event) -> None:
    """Ask for the intent until it has ended, then for its events."""
    while not is_over.is_set():
        status, found = await asker.ask(
            "read", "GET", f"/v1/intents/{intent_id}", facts={"intent": intent_id}
        )
        if status == 200 and found["intent"]["status"] in TERMINAL:
            break
        await asyncio.sleep(0.5)
    else:
        return
    ended = found["intent"]["status"]
    path = f"/v1/intents/{intent_id}/events?since={after}"
    for _ in range(20):
        status, found = await asker.ask("events", "GET", path, facts={"intent": intent_id})
        if status == 200:
            break
        await asyncio.sleep(0.3)
    else:
        return
    events = [(event["seq"], event["event_type"]) for event in found["events"]]
    asker.journal.note("watched", how="events", intent=intent_id, after=after, events=events, status=ended)


async def list_all(asker: Asker) -> None:
    """Read every page of the tenant's list, and note what each intent is in it."""
    rows: dict[str, str] = {}
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/intents?limit=200{f'&cursor={cursor}' if cursor else ''}"
        status, found = await asker.ask("list", "GET", path, facts={"tenant": asker.tenant})
        if status != 200:
            asker.journal.note("unlisted", tenant=asker.tenant, status=status)
            return
        rows |= {row["intent_id"]: _status(row) for row in found["intents"]}
        cursor = found.get("next_cursor")
    asker.journal.note("listed", tenant=asker.tenant, intents=rows)


def _status(row: dict[str, Any]) -> str:
    return str(row.get("lifecycle_status") or row["status"])
