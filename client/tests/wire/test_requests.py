"""What goes over the wire: keys that let requests be repeated, timeouts, headers; blocking and awaited alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from perdure import AsyncClient, Client, NotConfigured, Unavailable, plans, runners

KEY = "axme_sa_x"
URL = "http://perdure.example"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was paused; nothing is."""
    taken: list[float] = []
    monkeypatch.setattr(runners.time, "sleep", taken.append)

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(runners.asyncio, "sleep", sleep)
    return taken


class Wire:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(status: int = 200, **body: Any) -> httpx.Response:
    return httpx.Response(status, json={"ok": status < 300, **body})


async def ask(wire: Wire, kind: str, method: str, path: str, *, patience: float = 60, **options: Any) -> Any:
    """The same request, by either client."""
    transport = httpx.MockTransport(wire)
    if kind == "sync":
        with Client(URL, KEY, transport=transport, patience=patience) as client:
            return client.request(method, path, **options)
    async with AsyncClient(URL, KEY, transport=transport, patience=patience) as client:
        return await client.request(method, path, **options)


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
async def test_a_write_whose_answer_was_lost_is_sent_again_under_the_same_key(
    kind: str, pauses: list[float]
) -> None:
    wire = Wire(httpx.ReadError("reset"), answer(503), httpx.ReadTimeout("silence"), answer(intent_id="1"))

    assert await ask(wire, kind, "POST", "/v1/intents", json={"a": 1}) == {"ok": True, "intent_id": "1"}

    keys = [request.headers["idempotency-key"] for request in wire.asked]
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert len({request.content for request in wire.asked}) == 1
    assert len(pauses) == 3


@both
async def test_two_writes_have_two_keys_and_ones_own_is_kept(kind: str) -> None:
    wire = Wire(*[answer() for _ in range(5)])

    for given in (None, None, "mine", False):
        await ask(wire, kind, "POST", "/v1/intents", json={}, idempotency_key=given)
    await ask(wire, kind, "GET", "/v1/intents")

    first, second, mine, none, read = (request.headers.get("idempotency-key") for request in wire.asked)
    assert first
    assert second
    assert first != second
    assert (mine, none, read) == ("mine", None, None)


@both
async def test_who_cannot_be_reached_is_unavailable(kind: str) -> None:
    refused = httpx.ConnectError("connection refused")

    with pytest.raises(Unavailable, match="connection refused") as raised:
        await ask(Wire(refused), kind, "GET", "/v1/me", patience=0)

    assert (raised.value.code, raised.value.status) == ("unreachable", 0)


@both
async def test_each_request_says_who_asks_and_how_long_it_waits(kind: str) -> None:
    wire = Wire(answer())

    await ask(wire, kind, "GET", "/v1/me", params={"a": True, "b": None, "c": "x y"}, headers={"X-Own": "1"})

    [request] = wire.asked
    assert str(request.url) == f"{URL}/v1/me?a=true&c=x+y"
    assert (request.headers["x-api-key"], request.headers["x-own"]) == (KEY, "1")
    assert request.headers["x-axme-client"].startswith("perdure-python/")
    assert request.extensions["timeout"] == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 30.0}


@both
async def test_an_answer_is_json_or_bytes_as_it_says_itself(kind: str) -> None:
    raw = httpx.Response(200, content=b"\x00\x01", headers={"content-type": "image/png"})

    assert await ask(Wire(raw), kind, "GET", "/v1/intents/1/checkpoints/photo") == b"\x00\x01"


def test_redirects_are_not_followed_and_so_no_key_goes_elsewhere() -> None:
    wire = Wire(httpx.Response(302, headers={"location": "http://evil.example/"}))
    with (
        Client(URL, KEY, transport=httpx.MockTransport(wire)) as client,
        pytest.raises(Exception, match="302"),
    ):
        client.request("GET", "/v1/me")

    assert len(wire.asked) == 1


def test_ids_and_times_may_be_given_as_what_they_are_and_nan_not_at_all() -> None:
    when, which = datetime(2026, 1, 2, tzinfo=UTC), UUID(int=7)

    asked = plans.request("POST", "/", json={"at": when, "id": which})

    assert json.loads(asked.content or b"") == {"at": when.isoformat(), "id": str(which)}
    for bad in (float("nan"), object(), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            plans.request("POST", "/", json={"bad": bad})


def test_without_a_key_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERDURE_API_KEY", "AXME_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(NotConfigured):
        Client(URL)


@pytest.mark.parametrize("prefix", ["PERDURE", "AXME"])
def test_address_and_key_come_from_the_environment(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PERDURE_URL", "PERDURE_API_KEY", "AXME_BASE_URL", "AXME_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PERDURE_URL" if prefix == "PERDURE" else "AXME_BASE_URL", "http://there:1")
    monkeypatch.setenv(f"{prefix}_API_KEY", "k")

    with Client() as client:
        assert (client.base_url, client.api_key) == ("http://there:1", "k")


def test_a_stream_that_breaks_is_opened_again_where_it_stood() -> None:
    def event(seq: int, kind: str, status: str) -> bytes:
        data = {"intent_id": "1", "seq": seq, "event_type": kind, "status": status, "details": {}}
        return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()

    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield event(1, "intent.created", "CREATED") + event(2, "intent.submitted", "SUBMITTED")[:20]
            raise httpx.ReadError("reset")

    rest = event(2, "intent.submitted", "SUBMITTED") + event(3, "intent.canceled", "CANCELED")
    sse = {"content-type": "text/event-stream"}
    wire = Wire(
        httpx.Response(200, stream=Broken(), headers=sse), httpx.Response(200, content=rest, headers=sse)
    )

    with Client(URL, KEY, transport=httpx.MockTransport(wire)) as client:
        assert [each.seq for each in client.events("1")] == [1, 2, 3]

    assert [request.url.params.get("since", "0") for request in wire.asked] == ["0", "1"]
