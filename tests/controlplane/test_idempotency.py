"""A write repeated under its key is answered, not done again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents import postgres
from controlplane import idempotency
from tests.controlplane.conftest import Edge
from tests.controlplane.exchange import Exchange, until
from tests.controlplane.sample_urls import Diary

ORDER = b'{"name": "a", "amount": 1}'


def write(edge: Edge, token: str, path: str = "/v1/mine", body: bytes = ORDER, key: str = "k-1") -> Exchange:
    return edge.open("POST", path, body=body, headers={"x-api-key": token, "idempotency-key": key})


async def records() -> list[Any]:
    return await postgres.rows("SELECT * FROM intents_idempotencyrecord")


async def test_the_same_request_is_answered_as_before(edge: Edge, key: str) -> None:
    first = await write(edge, key).answer()
    again = await write(edge, key, body=b'{"amount":1,  "name":"a"}').answer()

    assert (first.status, again.status) == (200, 200)
    assert first.json == again.json == {"ok": True, "count": 1}
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_another_body_under_the_same_key_is_a_conflict(edge: Edge, key: str) -> None:
    await write(edge, key).answer()
    other = await write(edge, key, body=b'{"name": "b", "amount": 1}').answer()
    other_owner = await write(edge, key, path="/v1/mine?owner_agent=agent://x").answer()

    assert (other.status, other.json["error"]["code"]) == (409, "idempotency_conflict")
    assert other.json["detail"] == "idempotency key reused with different payload"
    assert other_owner.status == 409
    assert Diary.done == ["a"]


async def test_another_route_or_key_is_another_request(edge: Edge, key: str) -> None:
    await write(edge, key).answer()
    await write(edge, key, key="k-2").answer()
    await write(edge, key, path="/v1/failing").answer()

    assert Diary.done == ["a", "a", "failed"]


async def test_fifty_at_once_are_one(edge: Edge, key: str) -> None:
    answers = await asyncio.gather(*(write(edge, key).answer() for _ in range(50)))

    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.status for answer in answers} == {200}
    assert Diary.done == ["a"]
    assert idempotency._turnstiles == {}


async def test_other_processes_wait_and_get_the_same_answer(
    edge: Edge, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_turnstiles", NeverTheSame())  # as if each were in a process of its own
    answers = await asyncio.gather(*(write(edge, key).answer() for _ in range(20)))

    assert {answer.content for answer in answers} == {b'{"ok":true,"count":1}'}
    assert Diary.done == ["a"]


async def test_what_failed_may_be_tried_again(edge: Edge, key: str) -> None:
    failed = await write(edge, key, "/v1/failing").answer()
    assert await records() == []
    tried_again = await write(edge, key, "/v1/failing").answer()

    assert (failed.status, tried_again.status) == (409, 200)


async def test_a_client_that_leaves_finds_the_answer_when_it_returns(edge: Edge, key: str) -> None:
    left = write(edge, key, "/v1/held")
    await until(lambda: idempotency._running)
    left.left.set()
    await left.answer()
    assert left.status == 0

    returned = write(edge, key, "/v1/held")
    Diary.gate.set()

    assert (await returned.answer()).json == {"ok": True}
    assert Diary.done == ["held"]


async def test_the_record_of_a_process_that_died_is_taken_over_once_its_lease_is_over(
    edge: Edge, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = write(edge, key, "/v1/held")
    await until(lambda: idempotency._running)
    for task in idempotency._running:
        task.get_coro().close()  # no goodbye
    dead.task.cancel()
    await asyncio.wait([dead.task])
    Diary.gate.set()
    assert [record["status"] for record in await records()] == [None]
    await postgres.rows("UPDATE intents_idempotencyrecord SET created_at = created_at - interval '1 minute'")

    assert (await write(edge, key, "/v1/held").answer()).status == 200


async def test_who_waits_for_another_process_is_sent_away_by_one_that_stops(
    edge: Edge, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_turnstiles", NeverTheSame())
    first = write(edge, key, "/v1/held")
    await until(lambda: idempotency._running)
    repeated = write(edge, key, "/v1/held")

    idempotency.give_up_waiting()

    answer = await repeated.answer()
    assert (answer.status, answer.json["error"]["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    Diary.gate.set()
    assert (await first.answer()).status == 200
    assert Diary.done == ["held"]


async def test_a_lease_is_renewed_while_the_view_works(
    edge: Edge, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "RENEWAL_SECONDS", 0.01)
    exchange = write(edge, key, "/v1/held")
    await until(lambda: idempotency._running)
    [began] = await records()

    async with asyncio.timeout(30):
        for _ in iter(int, 1):
            if (await records())[0]["created_at"] > began["created_at"]:
                break
    Diary.gate.set()

    assert (await exchange.answer()).status == 200
    assert [record["status"] for record in await records()] == [200]


async def test_a_secret_is_shown_once_and_stored_never(edge: Edge, key: str) -> None:
    first = await write(edge, key, "/v1/token", body=b"").answer()
    again = await write(edge, key, "/v1/token", body=b"").answer()

    assert first.json["key"]["token"].startswith("axme_sa_")
    assert again.json == {"ok": True, "key": {"key_id": "sak_1", "token": None}, "replayed": True}
    assert "axme_sa_sa_1" not in str(await records())


@pytest.mark.parametrize("bad", ["", "x" * 256, "käse", "tab\there"])
async def test_a_key_that_is_no_key_is_refused(edge: Edge, key: str, bad: str) -> None:
    answer = await write(edge, key, key=bad).answer()

    assert answer.status == 422
    assert Diary.done == []


async def test_without_a_valid_api_key_nothing_is_recorded(edge: Edge, key: str) -> None:
    answer = await write(edge, "axme_sa_nobody_secret").answer()

    assert answer.status == 401
    assert await records() == []


class NeverTheSame(dict[Any, Any]):
    """Forgets at once, so that nobody waits for anybody in this process."""

    def setdefault(self, scope: Any, turnstile: Any = None) -> Any:
        return turnstile
