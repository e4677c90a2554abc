"""Threads over HTTP as one agent says them, and that their books balance when it has.

A test module takes the fixtures by importing them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from agents.postgres import in_thread
from intents.models import Thread, ThreadEntry, ThreadItem
from tests.intents.api.conftest import Someone

#: Names that somebody will have, as they are, or rather not.
HOSTILE = [
    "a b",
    "100%",
    "%2F",
    "%252F",
    "a?b#c",
    "a&b=c;d",
    "a\\b",
    "'; DROP TABLE intents_thread; --",
    '"quoted"',
    "{}",
    "NULL",
    "ключ/κλειδί/鍵",
    "🔑" * 200,
    "e\u0301",
    "\u00e9",
    "\u2028",
    "\U0010ffff",
    "a_b",
    "batch",
    "get",
    "x" * 512,
]
IMPOSSIBLE = [
    "x" * 513,
    "x" * 10_240,
    "🔑" * 257,
    "a//b",
    "a/./b",
    "../b",
    "a/",
    "\x01",
    "a\x7fb",
    "\x85",
    "a\nb",
]


@dataclass
class Threads:
    """Says the routes of one agent's threads for a test."""

    api: httpx.AsyncClient
    by: Someone

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.by.headers, **options.pop("headers", {})}
        response = await self.api.request(method, f"/v1/threads{path}", headers=headers, **options)
        assert response.status_code < 500, response.text
        return response

    async def get(self, path: str = "", **params: Any) -> Any:
        response = await self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def put(self, key: str, value: bytes = b"1", thread: str = "t", **headers: str) -> httpx.Response:
        named = {"content-type": "application/json"} | {
            name.replace("_", "-"): each for name, each in headers.items()
        }
        path = f"/{thread}/items/{quote(key, safe='')}"
        return await self.ask("PUT", path, content=value, headers=named)

    async def fill(self, *keys: str, thread: str = "t") -> None:
        for key in keys:
            assert (await self.put(key, thread=thread)).status_code == 201

    async def keys(self, thread: str = "t", **params: Any) -> list[str]:
        return [item["key"] for item in (await self.get(f"/{thread}/items", **params))["items"]]

    async def append(self, *values: Any, thread: str = "t", **fields: Any) -> httpx.Response:
        body = {"entries": [{"value": value} for value in values], **fields}
        return await self.ask("POST", f"/{thread}/entries", json=body)

    async def log(self, thread: str = "t", **params: Any) -> list[Any]:
        return [entry["value"] for entry in (await self.get(f"/{thread}/entries", **params))["entries"]]


@pytest.fixture
def threads(api: httpx.AsyncClient, agent: Someone) -> Threads:
    return Threads(api, agent)


@pytest.fixture(autouse=True)
async def books_balance(pool: None) -> AsyncIterator[None]:
    """What a thread says of itself is what is in it, whatever happened."""
    yield
    assert await in_thread(_balances) == []


def _balances() -> list[str]:
    wrong = []
    for thread in Thread.objects.all():
        items = list(ThreadItem.objects.filter(thread=thread).values_list("size", flat=True))
        entries = list(
            ThreadEntry.objects.filter(thread=thread).order_by("position").values_list("position", "size")
        )
        if (thread.item_count, thread.entry_count) != (len(items), len(entries)):
            wrong.append(f"{thread} has {len(items)} items and {len(entries)} entries")
        if thread.bytes != sum(items) + sum(size for _, size in entries):
            wrong.append(f"{thread} has other bytes than {thread.bytes}")
        if [position for position, _ in entries] != list(range(1, len(entries) + 1)):
            wrong.append(f"{thread} has gaps")
    return wrong
