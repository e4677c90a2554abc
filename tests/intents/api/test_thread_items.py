"""One item of a thread over HTTP: its bytes, its name and its version."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.intents.api.conftest import refusal
from tests.intents.api.talking_threads import HOSTILE, IMPOSSIBLE, Threads, books_balance, threads

__all__ = ["books_balance", "threads"]


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
