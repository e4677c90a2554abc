"""The log of a thread: appended, read from either end, popped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.intents.api.conftest import refusal
from tests.intents.api.talking_threads import Threads, books_balance, threads

__all__ = ["books_balance", "threads"]


# -- entries -----------------------------------------------------------------------------------------------------


async def test_a_log_grows_at_its_end_and_is_read_from_either(threads: Threads) -> None:
    first = await threads.append("a", "b")
    second = await threads.append({"c": [1]})

    assert first.status_code == 201
    assert first.json() == {"ok": True, "length": 2, "first": 1, "last": 2}
    assert second.json() == {"ok": True, "length": 3, "first": 3, "last": 3}
    everything = await threads.get("/t/entries")
    assert everything["length"] == 3
    assert [each["position"] for each in everything["entries"]] == [1, 2, 3]
    assert everything["entries"][0]["content_type"] == "application/json"
    assert await threads.log(order="desc", limit=2) == [{"c": [1]}, "b"]
    assert await threads.log(after=2, order="desc") == ["a"]
    assert await threads.log(after=1, limit=1) == ["b"]
    assert (await threads.get("/t/entries", limit=2))["next_after"] == 2
    assert (await threads.get("/t/entries", order="desc", limit=2))["next_after"] == 2
    assert "next_after" not in await threads.get("/t/entries", limit=3)
    assert await threads.get("/t/entries", after=3) == {"ok": True, "length": 3, "entries": []}


async def test_an_append_happens_only_to_the_length_it_expects(threads: Threads) -> None:
    assert (await threads.append("a", expected_length=0)).status_code == 201

    conflicts = [
        await threads.append("b", expected_length=0),
        await threads.append("b", thread="u", expected_length=1),
        await threads.ask("DELETE", "/t/entries?last=1&expected_length=0"),
        await threads.ask("DELETE", "/t/entries?expected_length=2"),
        await threads.ask("DELETE", "/u/entries?expected_length=2"),
    ]

    assert [refusal(each) for each in conflicts] == [(409, "version_conflict")] * 5
    assert [each.json()["current_version"] for each in conflicts] == [1, 0, 1, 1, 0]
    assert await threads.log() == ["a"]
    assert [each["thread_id"] for each in (await threads.get())["threads"]] == ["t"]


async def test_those_who_append_at_once_get_places_of_their_own(threads: Threads) -> None:
    answers = await asyncio.gather(*(threads.append(number, number) for number in range(20)))

    assert {each.status_code for each in answers} == {201}
    assert sorted(each.json()["first"] for each in answers) == list(range(1, 41, 2))
    for number, each in enumerate(answers):
        assert await threads.log(after=each.json()["first"] - 1, limit=2) == [number, number]


async def test_what_is_popped_is_answered_oldest_first_and_gone(threads: Threads) -> None:
    await threads.append(*"abcd")

    popped = (await threads.ask("DELETE", "/t/entries?last=2&expected_length=4")).json()
    rest = (await threads.ask("DELETE", "/t/entries?last=1000")).json()
    empty = (await threads.ask("DELETE", "/t/entries?last=1")).json()
    nowhere = (await threads.ask("DELETE", "/u/entries?last=1")).json()

    assert [(each["position"], each["value"]) for each in popped["entries"]] == [(3, "c"), (4, "d")]
    assert popped["length"] == 2
    assert [each["value"] for each in rest["entries"]] == ["a", "b"]
    assert empty == nowhere == {"ok": True, "length": 0, "entries": []}
    assert (await threads.append("e")).json()["first"] == 1


async def test_a_pop_whose_answer_was_lost_is_repeated_under_its_key(threads: Threads) -> None:
    await threads.append(*"abc")
    key = {"idempotency-key": "pop-1"}

    first = await threads.ask("DELETE", "/t/entries?last=1", headers=key)
    again = await threads.ask("DELETE", "/t/entries?last=1", headers=key)

    assert first.json() == again.json()
    assert await threads.log() == ["a", "b"]


async def test_large_entries_come_fewer_at_a_time(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intents.thread_entries.ROOM", 10)
    await threads.append("a" * 6, "b" * 6, "c" * 6)

    page = await threads.get("/t/entries")
    popped = (await threads.ask("DELETE", "/t/entries?last=3")).json()

    assert ([each["position"] for each in page["entries"]], page["next_after"]) == ([1], 1)
    assert ([each["value"] for each in popped["entries"]], popped["length"]) == (["cccccc"], 2)


async def test_a_log_is_cleared(threads: Threads) -> None:
    await threads.append(*"abc")
    await threads.fill("kept")

    assert (await threads.ask("DELETE", "/t/entries")).json() == {"ok": True, "length": 0, "removed": 3}
    assert (await threads.ask("DELETE", "/u/entries")).json() == {"ok": True, "length": 0, "removed": 0}
    assert await threads.keys() == ["kept"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"entries": []},
        {"entries": {}},
        {"entries": [1]},
        {"entries": [{}]},
        {"entries": [{"value": 1, "key": "a"}]},
        {"entries": [{"value": 1}], "expected_length": -1},
        {"entries": [{"value": 1}], "expected_length": "1"},
        {"entries": [{"value": 1}], "expected_length": 2**31},
        {"entries": [{"value": 1}], "expected": 1},
        {"entries": [{"value": 1}] * 501},
    ],
    ids=lambda body: str(body)[:50],
)
async def test_a_bad_append_is_refused(threads: Threads, body: Any) -> None:
    assert refusal(await threads.ask("POST", "/t/entries", json=body)) == (422, "validation_error")
    assert (await threads.get())["threads"] == []


@pytest.mark.parametrize(
    "query", ["last=0", "last=1001", "last=x", "last=", "last=1&expected_length=-1", "last=-1"]
)
async def test_a_bad_pop_is_refused(threads: Threads, query: str) -> None:
    await threads.append("a")

    assert refusal(await threads.ask("DELETE", f"/t/entries?{query}")) == (422, "validation_error")
    assert await threads.log() == ["a"]
