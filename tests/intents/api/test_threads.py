"""Threads over HTTP: items under versions, entries in order, and what is done to whole ones."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pytest_django import Settings

from agents.models import Scope, Workspace
from agents.postgres import in_thread
from intents.models import Thread, ThreadEntry, ThreadItem
from tests.factories import make_agent, make_key, make_organization, make_workspace
from tests.intents.api.conftest import Someone, refusal

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


# -- one item ----------------------------------------------------------------------------------------------------


async def test_an_item_is_read_as_the_bytes_it_was_written_as(threads: Threads) -> None:
    raw = bytes(range(256))

    created = await threads.put("a/b", raw, content_type="text/html")
    read = await threads.ask("GET", "/t/items/a/b")
    replaced = await threads.put("a/b", b"")

    assert created.status_code == 201
    item = created.json()["item"]
    assert created.json()["created"] is True
    assert (item["key"], item["size"], item["content_type"]) == ("a/b", 256, "text/html")
    assert "value" not in item
    assert (read.status_code, read.content) == (200, raw)
    assert read.headers["content-type"] == "text/html"
    assert read.headers["etag"] == f'"{item["version"]}"' == created.headers["etag"]
    assert read.headers["x-perdure-version"] == str(item["version"])
    assert read.headers["content-disposition"] == "attachment"
    assert read.headers["content-security-policy"] == "sandbox"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert replaced.status_code == 200
    assert replaced.json()["created"] is False
    assert replaced.json()["item"]["version"] > item["version"]
    assert replaced.json()["item"]["created_at"] == item["created_at"]
    assert (await threads.ask("GET", "/t/items/a/b")).content == b""


async def test_a_reader_who_has_the_version_is_not_sent_it_again(threads: Threads) -> None:
    tag = (await threads.put("a")).headers["etag"]

    same = await threads.ask("GET", "/t/items/a", headers={"if-none-match": f'"1", W/{tag}'})
    other = await threads.ask("GET", "/t/items/a", headers={"if-none-match": '"1"'})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


async def test_what_is_not_there_is_not_found(threads: Threads) -> None:
    await threads.put("a")

    for path in ("/t/items/b", "/u/items/a", "/u"):
        assert refusal(await threads.ask("GET", path)) == (404, "not_found")
    for path in ("/t/items/b", "/u/items/a", "/u"):
        assert (await threads.ask("DELETE", path)).json() == {"ok": True, "deleted": False}
    assert (await threads.get("/u/items"))["items"] == []
    assert await threads.get("/u/entries") == {"ok": True, "length": 0, "entries": []}
    assert [each["thread_id"] for each in (await threads.get())["threads"]] == ["t"]


async def test_a_deletion_takes_the_item_and_its_version_is_not_used_again(threads: Threads) -> None:
    first = (await threads.put("a")).json()["item"]["version"]

    assert (await threads.ask("DELETE", "/t/items/a")).json()["deleted"] is True

    assert refusal(await threads.ask("GET", "/t/items/a")) == (404, "not_found")
    assert (await threads.put("a")).json()["item"]["version"] > first


@pytest.mark.parametrize("key", HOSTILE, ids=ascii)
async def test_any_name_leads_to_its_own_item(threads: Threads, key: str) -> None:
    await threads.fill("other")

    assert (await threads.put(key, b'"mine"')).status_code == 201

    path = f"/t/items/{quote(key, safe='')}"
    assert (await threads.ask("GET", path)).json() == "mine"
    assert (await threads.keys(prefix=key))[0] == key
    assert await threads.keys(start=key, limit=1) == [key]
    assert sorted(await threads.keys()) == sorted(["other", key])
    got = (await threads.ask("POST", "/t/items/get", json={"keys": [key]})).json()["items"]
    assert [(each["key"], each["value"]) for each in got] == [(key, "mine")]
    assert (await threads.ask("DELETE", path)).json()["deleted"] is True
    assert await threads.keys() == ["other"]


@pytest.mark.parametrize("key", IMPOSSIBLE, ids=lambda key: ascii(key[:20]))
async def test_an_impossible_name_is_refused_everywhere(threads: Threads, key: str) -> None:
    path = f"/t/items/{quote(key, safe='')}"
    answers = [
        await threads.put(key),
        await threads.ask("GET", path),
        await threads.ask("DELETE", path),
        await threads.ask("POST", "/t/items/batch", json=[{"key": key, "value": 1}]),
        await threads.ask("POST", "/t/items/get", json={"keys": [key]}),
    ]

    # A line break is in no path at all.
    assert {answer.status_code for answer in answers} <= {422, 404}
    assert {answer.status_code for answer in answers[3:]} == {422}
    assert (await threads.get())["threads"] == []


async def test_nul_and_what_is_no_utf8_are_refused(threads: Threads) -> None:
    for path in ("/t/items/a%00b", "/t%00/items/a", "/t/items?prefix=%00"):
        assert refusal(await threads.ask("GET", path))[0] == 400
    for path in (
        "/t/items/a%FFb",
        "/t/items/%ED%A0%80",
        "/t%FF/items/a",
        "/t/items?prefix=%FF",
        "/?prefix=%FF",
    ):
        assert (await threads.ask("GET", path)).status_code in (404, 422)
    body = [{"key": "a\x00b", "value": 1}]
    assert refusal(await threads.ask("POST", "/t/items/batch", json=body)) == (422, "validation_error")


# -- versions ----------------------------------------------------------------------------------------------------


async def test_a_write_under_a_version_happens_only_to_that_version(threads: Threads) -> None:
    tag = (await threads.put("a", b"1")).headers["etag"]
    newer = (await threads.put("a", b"2", if_match=tag)).json()["item"]["version"]

    late = await threads.put("a", b"3", if_match=tag)
    late_deletion = await threads.ask("DELETE", "/t/items/a", headers={"if-match": tag})
    again = await threads.put("a", b"3", if_none_match="*")

    for conflict in (late, late_deletion, again):
        assert refusal(conflict) == (409, "version_conflict")
        assert conflict.json()["current_version"] == newer
        assert conflict.json()["error"]["details"]["current_version"] == newer
    assert (await threads.ask("GET", "/t/items/a")).content == b"2"
    gone = await threads.ask("DELETE", "/t/items/a", headers={"if-match": f'"{newer}"'})
    assert gone.json() == {"ok": True, "deleted": True}


async def test_what_has_to_exist_has_to_exist_and_a_refused_write_makes_no_thread(threads: Threads) -> None:
    for tag in ("*", '"17"'):
        for refused in (
            await threads.put("a", if_match=tag),
            await threads.ask("DELETE", "/t/items/a", headers={"if-match": tag}),
        ):
            assert refusal(refused) == (409, "version_conflict")
            assert refused.json()["current_version"] is None
    assert (await threads.get())["threads"] == []

    assert (await threads.put("a", if_none_match="*")).status_code == 201
    assert (await threads.put("a", if_match="*")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"if_match": "17"},
        {"if_match": 'W/"17"'},
        {"if_match": '"0"'},
        {"if_match": '"1", "2"'},
        {"if_match": '"' + "9" * 40 + '"'},
        {"if_match": ""},
        {"if_none_match": '"17"'},
        {"if_match": "*", "if_none_match": "*"},
        {"content_type": "nonsense"},
        {"content_type": "text/plain; charset=\x01"},
        {"content_type": "a/" + "b" * 300},
    ],
    ids=str,
)
async def test_a_header_that_says_nothing_is_refused(threads: Threads, headers: dict[str, Any]) -> None:
    assert refusal(await threads.put("a", **headers)) == (422, "validation_error")
    assert (await threads.get())["threads"] == []


async def test_of_twenty_who_write_at_once_one_wins(threads: Threads) -> None:
    firsts = await asyncio.gather(
        *(threads.put("a", str(number).encode(), if_none_match="*") for number in range(20))
    )
    [(first, winner)] = [(n, each) for n, each in enumerate(firsts) if each.status_code == 201]
    assert (await threads.ask("GET", "/t/items/a")).content == str(first).encode()

    seconds = await asyncio.gather(
        *(threads.put("a", str(number).encode(), if_match=winner.headers["etag"]) for number in range(20, 40))
    )

    [second] = [number for number, each in enumerate(seconds, 20) if each.status_code == 200]
    assert sorted({each.status_code for each in (*firsts, *seconds)}) == [200, 201, 409]
    assert (await threads.ask("GET", "/t/items/a")).content == str(second).encode()


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


# -- whole threads -----------------------------------------------------------------------------------------------


async def test_a_copy_is_the_same_and_lives_by_itself(threads: Threads) -> None:
    await threads.fill("a", "b")
    await threads.append("x", "y")

    copied = await threads.ask("POST", "/t/copy", json={"to": "копия"})
    await threads.put("a", b"2")
    await threads.append("z")

    assert copied.status_code == 201
    thread = copied.json()["thread"]
    assert (thread["thread_id"], thread["items"], thread["entries"], thread["bytes"]) == ("копия", 2, 2, 8)
    assert await threads.get("/копия") == copied.json()
    assert (await threads.ask("GET", "/копия/items/a")).content == b"1"
    assert await threads.log("копия") == ["x", "y"]
    before, after = [(await threads.get(f"/{name}/items"))["items"][1] for name in ("t", "копия")]
    assert before["version"] != after["version"]
    assert before["updated_at"] == after["updated_at"]


async def test_a_copy_needs_a_source_and_a_free_name(threads: Threads) -> None:
    await threads.fill("a")
    await threads.fill("a", thread="u")

    assert refusal(await threads.ask("POST", "/t/copy", json={"to": "u"})) == (409, "already_exists")
    assert refusal(await threads.ask("POST", "/t/copy", json={"to": "t"})) == (409, "already_exists")
    assert refusal(await threads.ask("POST", "/x/copy", json={"to": "y"})) == (404, "not_found")
    for to in ("", "a/b", "..", "x" * 256, "a\nb", 1, None):
        assert refusal(await threads.ask("POST", "/t/copy", json={"to": to})) == (422, "validation_error")
    assert {each["thread_id"] for each in (await threads.get())["threads"]} == {"t", "u"}


async def test_of_those_who_copy_to_one_name_at_once_one_wins(threads: Threads) -> None:
    await threads.fill("a", thread="one")
    await threads.fill("b", thread="two")

    answers = await asyncio.gather(
        *(threads.ask("POST", f"/{source}/copy", json={"to": "t"}) for source in ("one", "two") * 4)
    )

    assert sorted(each.status_code for each in answers) == [201] + [409] * 7
    assert len(await threads.keys()) == 1


async def test_pruning_keeps_the_last_by_key(threads: Threads) -> None:
    await threads.fill("a/1", "a/2", "a/3", "a0", "b/1", "b/2")

    assert (await threads.ask("POST", "/t/prune", json={"prefix": "a/"})).json()["deleted"] == 2
    assert await threads.keys() == ["a/3", "a0", "b/1", "b/2"]
    assert (await threads.ask("POST", "/t/prune", json={"prefix": "b/", "keep": 9})).json()["deleted"] == 0
    assert (await threads.ask("POST", "/t/prune", json={"keep": 0})).json()["deleted"] == 4
    assert (await threads.ask("POST", "/u/prune", json={})).json()["deleted"] == 0
    body: Any
    for body in ([], {"keep": -1}, {"keep": "x"}, {"prefix": 1}, {"prefix": "\x01"}, {"keys": 1}):
        assert refusal(await threads.ask("POST", "/t/prune", json=body)) == (422, "validation_error")


async def test_a_deleted_thread_is_gone_with_all_that_was_in_it(threads: Threads) -> None:
    await threads.fill("a")
    await threads.append("x")

    assert (await threads.ask("DELETE", "/t")).json() == {"ok": True, "deleted": True}

    assert refusal(await threads.ask("GET", "/t")) == (404, "not_found")
    assert await threads.keys() == []
    assert await in_thread(ThreadEntry.objects.count) == 0
    assert (await threads.append("y")).json()["first"] == 1


async def test_threads_are_listed_by_age_or_by_name(threads: Threads) -> None:
    names = ["b", "a/../x".replace("/", "%2F"), "a", "ab", "c%"]
    for name in names:
        assert (await threads.append(1, thread=quote(name, safe=""))).status_code == 201

    async def walk(**params: Any) -> list[str]:
        seen = []
        for _ in range(9):
            page = await threads.get(limit=2, **params)
            seen += [each["thread_id"] for each in page["threads"]]
            if "next_after" not in page:
                return seen
            params["after"] = page["next_after"]
        raise AssertionError("there is no end")

    assert await walk() == names[::-1]
    assert await walk(order="asc") == names
    assert await walk(prefix="") == sorted(names)
    assert await walk(prefix="a") == ["a", "a%2F..%2Fx", "ab"]
    assert await walk(prefix="a", order="desc") == ["ab", "a%2F..%2Fx", "a"]
    assert await walk(prefix="c%") == ["c%"]
    assert await walk(prefix="%") == []
    for after in ("x", "-1", "1.5", "9" * 30, "\u0661"):
        assert refusal(await threads.ask("GET", "", params={"after": after})) == (422, "validation_error")


# -- limits ------------------------------------------------------------------------------------------------------


async def test_a_value_that_is_too_large_is_refused_wherever_it_comes(
    threads: Threads, settings: Settings
) -> None:
    settings.PERDURE_VALUE_BYTES = 10

    answers = [
        await threads.put("a", b"x" * 11),
        await threads.ask("POST", "/t/items/batch", json=[{"key": "a", "value": "x" * 9}]),
        await threads.append("x" * 9),
    ]

    for each in answers:
        assert refusal(each) == (413, "payload_too_large")
        assert each.json()["error"]["details"] == {"limit_of": "value", "limit": 10}
    assert (await threads.put("a", b"x" * 10)).status_code == 201


async def test_a_body_that_is_too_large_is_refused_and_a_large_batch_is_not(threads: Threads) -> None:
    mib = 1024 * 1024

    assert refusal(await threads.put("a", b"x" * (mib + 1))) == (413, "payload_too_large")
    assert (await threads.put("a", b"x" * mib)).status_code == 201
    text = "x" * (mib - 2)
    batch = [{"key": str(number), "value": text} for number in range(7)]
    assert (await threads.ask("POST", "/t/items/batch", json=batch)).status_code == 200
    assert (await threads.append(*[text] * 7)).status_code == 201
    assert refusal(await threads.append(*[text] * 9)) == (413, "payload_too_large")
    page = await threads.get("/t/items", values="true")
    assert ([item["key"] for item in page["items"]], page["next_after"]) == (["0", "1", "2", "3"], "3")


async def test_a_thread_has_at_most_so_many_parts(threads: Threads, settings: Settings) -> None:
    settings.PERDURE_THREAD_PARTS = 2
    await threads.fill("a", "b")
    await threads.append(1, 2)

    too_many = await threads.put("c")
    too_long = await threads.append(3)

    assert refusal(too_many) == refusal(too_long) == (413, "payload_too_large")
    assert too_many.json()["error"]["details"] == {"limit_of": "items", "limit": 2}
    assert too_long.json()["error"]["details"] == {"limit_of": "entries", "limit": 2}
    assert (await threads.put("b", b"2")).status_code == 200
    swap = [{"key": "a", "delete": True}, {"key": "c", "value": 1}]
    assert (await threads.ask("POST", "/t/items/batch", json=swap)).status_code == 200


async def test_a_thread_has_at_most_so_many_bytes(threads: Threads, settings: Settings) -> None:
    settings.PERDURE_THREAD_BYTES = 10
    await threads.put("a", b"12345678")

    for refused in (
        await threads.put("b", b"123"),
        await threads.append("1"),
        await threads.put("a", b"1" * 11),
    ):
        assert refusal(refused) == (413, "payload_too_large")
        assert refused.json()["error"]["details"] == {"limit_of": "bytes", "limit": 10}

    assert (await threads.put("b", b"12")).status_code == 201
    settings.PERDURE_THREAD_BYTES = 5
    assert (await threads.put("a", b"1234567")).status_code == 200  # less than before is welcome


# -- others ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["another workspace", "another organization"])
def outsider(request: pytest.FixtureRequest, workspace: Workspace, api: httpx.AsyncClient) -> Threads:
    organization = (
        workspace.organization if request.param == "another workspace" else make_organization("evil")
    )
    agent = make_agent(make_workspace(organization, "elsewhere"), "spy")
    key, token = make_key(agent, list(Scope))
    return Threads(api, Someone(agent, key.pk, token))


async def test_nobody_from_elsewhere_sees_or_changes_anything(threads: Threads, outsider: Threads) -> None:
    await threads.put("a", b'"secret"')
    await threads.append("secret")

    assert (await outsider.get())["threads"] == (await outsider.get(prefix=""))["threads"] == []
    assert await outsider.keys() == await outsider.log() == []
    assert refusal(await outsider.ask("GET", "/t")) == (404, "not_found")
    assert refusal(await outsider.ask("GET", "/t/items/a")) == (404, "not_found")
    assert (await outsider.ask("POST", "/t/items/get", json={"keys": ["a"]})).json()["items"] == []
    assert refusal(await outsider.ask("POST", "/t/copy", json={"to": "u"})) == (404, "not_found")
    assert (await outsider.ask("POST", "/t/prune", json={"keep": 0})).json()["deleted"] == 0
    for path in ("/t", "/t/items/a"):
        assert (await outsider.ask("DELETE", path)).json()["deleted"] is False
    assert (await outsider.ask("DELETE", "/t/items?prefix=")).json()["deleted"] == 0
    assert (await outsider.ask("DELETE", "/t/entries?last=1")).json()["entries"] == []
    assert (await outsider.ask("DELETE", "/t/entries")).json()["removed"] == 0

    assert (await outsider.put("a", b'"mine"', if_none_match="*")).status_code == 201
    assert (await outsider.append("mine", expected_length=0)).status_code == 201
    assert (await threads.ask("GET", "/t/items/a")).json() == "secret"
    assert await threads.log() == ["secret"]
    assert (await outsider.ask("DELETE", "/t")).json()["deleted"] is True
    assert (await threads.get("/t"))["thread"]["entries"] == 1


async def test_who_may_only_read_reads_and_writes_nothing(threads: Threads, reader: Someone) -> None:
    await threads.fill("a")
    await threads.append("x")
    looking = Threads(threads.api, reader)

    assert await looking.keys() == ["a"]
    assert await looking.log() == ["x"]
    assert (await looking.ask("GET", "/t/items/a")).content == b"1"
    assert (await looking.ask("POST", "/t/items/get", json={"keys": ["a"]})).status_code == 200
    refused = [
        await looking.put("b"),
        await looking.ask("POST", "/t/items/batch", json=[{"key": "b", "value": 1}]),
        await looking.append("y"),
        await looking.ask("DELETE", "/t"),
        await looking.ask("DELETE", "/t/items/a"),
        await looking.ask("DELETE", "/t/items?prefix="),
        await looking.ask("DELETE", "/t/entries"),
        await looking.ask("POST", "/t/copy", json={"to": "u"}),
        await looking.ask("POST", "/t/prune", json={}),
    ]
    assert [refusal(each) for each in refused] == [(403, "forbidden")] * 9
    assert await threads.keys() == ["a"]


async def test_who_may_only_submit_sees_nothing(threads: Threads, workspace: Workspace) -> None:
    agent = await in_thread(make_agent, workspace, "submitter")
    key, token = await in_thread(make_key, agent, [Scope.SUBMIT])
    submitter = Threads(threads.api, Someone(agent, key.pk, token))

    assert refusal(await submitter.ask("GET", "")) == (403, "forbidden")
    assert refusal(await submitter.ask("POST", "/t/items/get", json={"keys": ["a"]})) == (403, "forbidden")
