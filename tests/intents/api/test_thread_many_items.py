"""Many items of a thread at once: batches, and lists page by page."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.intents.api.conftest import refusal
from tests.intents.api.talking_threads import Threads, books_balance, threads

__all__ = ["books_balance", "threads"]


# -- many items --------------------------------------------------------------------------------------------------


async def test_a_batch_writes_and_deletes_in_one_step(threads: Threads) -> None:
    await threads.fill("old")
    raw = base64.b64encode(bytes(range(256))).decode()

    answer = await threads.ask(
        "POST",
        "/t/items/batch",
        json=[
            {"key": "z", "value": {"node": 3}, "if_version": 0},
            {"key": "blob", "value_base64": raw, "content_type": "image/png"},
            {"key": "old", "delete": True},
            {"key": "never", "delete": True},
        ],
    )

    assert answer.status_code == 200
    z, blob, old, never = answer.json()["items"]
    assert (z["key"], z["created"], z["content_type"], z["size"]) == ("z", True, "application/json", 10)
    assert (blob["key"], blob["created"], blob["size"]) == ("blob", True, 256)
    assert old == {"key": "old", "deleted": True}
    assert never == {"key": "never", "deleted": False}
    items = (await threads.get("/t/items", values="true"))["items"]
    assert [item.get("value", item.get("value_base64")) for item in items] == [raw, {"node": 3}]


@pytest.mark.parametrize("wanted", [0, 1, 2**62])
async def test_a_batch_happens_all_or_not_at_all(threads: Threads, wanted: int) -> None:
    version = (await threads.put("b", b"1")).json()["item"]["version"]

    answer = await threads.ask(
        "POST",
        "/t/items/batch",
        json=[
            {"key": "a", "value": 2},
            {"key": "b", "value": 2, "if_version": wanted},
            {"key": "c", "delete": True, "if_version": 5},
        ],
    )

    assert refusal(answer) == (409, "version_conflict")
    assert answer.json()["current_version"] == version
    assert answer.json()["error"]["details"]["conflicts"] == [
        {"key": "b", "current_version": version},
        {"key": "c", "current_version": None},
    ]
    assert [(each["key"], each["version"]) for each in (await threads.get("/t/items"))["items"]] == [
        ("b", version)
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [1],
        [{}],
        [{"key": "a"}],
        [{"key": 1, "value": 1}],
        [{"key": "", "value": 1}],
        [{"key": "a", "value": 1, "value_base64": ""}],
        [{"key": "a", "value_base64": "no"}],
        [{"key": "a", "value_base64": 1}],
        [{"key": "a", "value": 1, "content_type": "image/png"}],
        [{"key": "a", "value": 1, "content_type": 1}],
        [{"key": "a", "value": 1, "if_version": -1}],
        [{"key": "a", "value": 1, "if_version": True}],
        [{"key": "a", "value": 1, "if_version": 2**63}],
        [{"key": "a", "value": 1, "if_version": "1"}],
        [{"key": "a", "value": 1, "delete": True}],
        [{"key": "a", "delete": 1}],
        [{"key": "a", "value": 1, "version": 1}],
        [{"key": "a", "value": 1}, {"key": "a", "value": 2}],
        [{"key": f"{number}", "value": 1} for number in range(501)],
    ],
    ids=lambda body: str(body)[:50],
)
async def test_a_bad_batch_is_refused_and_changes_nothing(threads: Threads, body: Any) -> None:
    assert refusal(await threads.ask("POST", "/t/items/batch", json=body)) == (422, "validation_error")
    assert (await threads.get())["threads"] == []


async def test_many_are_read_in_the_order_asked(threads: Threads) -> None:
    await threads.fill("a", "b", "c")

    answer = (await threads.ask("POST", "/t/items/get", json={"keys": ["c", "x", "a", "c"]})).json()

    assert [item["key"] for item in answer["items"]] == ["c", "a"]
    assert "missing" not in answer
    body: Any
    for body in ({}, [], {"keys": []}, {"keys": [1]}, {"keys": "a"}, {"keys": [str(n) for n in range(501)]}):
        assert refusal(await threads.ask("POST", "/t/items/get", json=body)) == (422, "validation_error")
    assert refusal(await threads.ask("POST", "/t/items/a", json={})) == (404, "not_found")


# -- pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_lead_through_all_items_in_either_order(threads: Threads, order: str) -> None:
    names = sorted([f"k{number:02}" for number in range(7)] + ["K", "é", "😀", "k"])
    await threads.fill(*reversed(names))

    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(6):
        page = await threads.get("/t/items", order=order, limit=2, **after)
        seen += [item["key"] for item in page["items"]]
        if "next_after" not in page:
            break
        after = {"after": page["next_after"]}

    assert seen == (names if order == "asc" else names[::-1])
    assert "next_after" not in page


async def test_start_and_after_are_where_a_list_begins(threads: Threads) -> None:
    await threads.fill("a", "b", "ba", "c")

    assert await threads.keys(start="b") == ["b", "ba", "c"]
    assert await threads.keys(after="b") == ["ba", "c"]
    assert await threads.keys(start="b", order="desc") == ["b", "a"]
    assert await threads.keys(after="b", order="desc") == ["a"]
    assert await threads.keys(start="bb", order="desc", prefix="b") == ["ba", "b"]
    assert await threads.keys(prefix="b", after="b") == ["ba"]
    assert await threads.keys(prefix="b", start="a", limit=1, order="desc") == []
    for params in ({"limit": 0}, {"limit": 1001}, {"order": "up"}, {"values": "perhaps"}, {"limit": "x"}):
        assert refusal(await threads.ask("GET", "/t/items", params=params)) == (422, "validation_error")


@pytest.mark.parametrize(
    "prefix", ["%", "_", "a%", "a_", "\\", "[a]", "a*", "\U0010ffff", "\ud7ff", "a\U0010ffff"]
)
async def test_a_prefix_is_its_characters_and_nothing_else(threads: Threads, prefix: str) -> None:
    await threads.fill("a", "ab", "abc", "\ue000", "b", prefix + "1", prefix)

    assert await threads.keys(prefix=prefix) == sorted([prefix, prefix + "1"])
    deleted = await threads.ask("DELETE", "/t/items", params={"prefix": prefix})
    assert deleted.json() == {"ok": True, "deleted": 2}
    assert await threads.keys() == ["a", "ab", "abc", "b", "\ue000"]


async def test_all_items_are_deleted_only_by_who_says_so(threads: Threads) -> None:
    await threads.fill("a", "b")

    assert refusal(await threads.ask("DELETE", "/t/items")) == (422, "validation_error")
    assert (await threads.ask("DELETE", "/t/items?prefix=")).json()["deleted"] == 2
    assert await threads.keys() == []


async def test_large_values_come_a_page_each_and_never_none(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intents.thread_items.ROOM", 10)
    for key in "abc":
        await threads.put(key, b'"' + key.encode() * 6 + b'"')

    first = await threads.get("/t/items", values="true")
    second = await threads.get("/t/items", values="true", after=first["next_after"], limit=1)
    got = (await threads.ask("POST", "/t/items/get", json={"keys": ["c", "x", "b", "y"]})).json()

    assert [item["value"] for item in first["items"]] == ["aaaaaa"]
    assert [item["value"] for item in second["items"]] == ["bbbbbb"]
    assert second["next_after"] == "b"
    assert [item["value"] for item in got["items"]] == ["cccccc"]
    assert got["missing"] == ["b", "y"]
    assert await threads.keys() == ["a", "b", "c"]
