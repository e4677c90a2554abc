"""Whole threads: copied, pruned, deleted, listed; how much one may hold, and who may see it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pytest_django import Settings

from agents.models import Scope, Workspace
from agents.postgres import in_thread
from intents.models import ThreadEntry
from tests.factories import make_agent, make_key, make_organization, make_workspace
from tests.intents.api.conftest import Someone, refusal
from tests.intents.api.talking_threads import Threads, books_balance, threads

__all__ = ["books_balance", "threads"]


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
