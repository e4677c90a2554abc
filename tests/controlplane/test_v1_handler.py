"""The fast handler: clients that leave, streams, back-pressure."""

from __future__ import annotations

import asyncio

from tests.controlplane.conftest import Edge
from tests.controlplane.exchange import until
from tests.controlplane.sample_urls import Diary


async def test_the_view_of_a_client_that_leaves_is_canceled(edge: Edge) -> None:
    exchange = edge.open("GET", "/v1/slow")
    await asyncio.sleep(0)
    exchange.left.set()

    await exchange.answer()

    assert Diary.canceled == ["slow"]
    assert exchange.status == 0


async def test_a_slow_view_answers_a_client_that_stays(edge: Edge) -> None:
    exchange = edge.open("GET", "/v1/slow")
    asyncio.get_running_loop().call_later(0.1, Diary.gate.set)

    assert (await exchange.answer()).json == {"ok": True}


async def test_a_stream_leaves_chunk_by_chunk(edge: Edge) -> None:
    exchange = edge.open("GET", "/v1/ticks")

    await until(lambda: len(exchange.chunks) == 2)

    assert exchange.chunks == [b"id: 0\n\n", b"id: 1\n\n"]
    assert not exchange.is_complete
    assert "content-length" not in exchange.headers
    exchange.left.set()
    await exchange.answer()


async def test_a_stream_whose_client_leaves_is_closed_at_once(edge: Edge) -> None:
    exchange = edge.open("GET", "/v1/ticks")
    await until(lambda: len(exchange.chunks) == 2)

    exchange.left.set()
    for _ in range(5):  # turns of the loop, not time
        await asyncio.sleep(0)

    assert Diary.closed == ["ticks"]
    await exchange.answer()


async def test_a_stream_waits_for_a_client_that_reads_slowly_and_is_closed_when_it_gives_up(
    edge: Edge,
) -> None:
    Diary.gate.set()
    exchange = edge.open("GET", "/v1/ticks")
    await until(lambda: len(exchange.chunks) > 2)
    exchange.reads.clear()
    sent = len(exchange.chunks)
    for _ in range(20):
        await asyncio.sleep(0)

    assert len(exchange.chunks) <= sent + 1

    exchange.left.set()
    await exchange.answer()
    assert Diary.closed == ["ticks"]


async def test_a_stream_that_ends_by_itself_ends_the_answer(edge: Edge) -> None:
    Diary.gate.set()

    answer = await edge.ask("GET", "/v1/ticks")

    assert answer.is_complete
    assert answer.content.count(b"id: ") == 1000
    assert Diary.closed == ["ticks"]


async def test_the_head_of_a_stream_starts_no_stream(edge: Edge) -> None:
    answer = await edge.ask("HEAD", "/v1/ticks")

    assert (answer.status, answer.content) == (200, b"")
    assert Diary.closed == []


async def test_a_client_that_leaves_while_sending_its_body_gets_no_answer(edge: Edge) -> None:
    exchange = edge.open("POST", "/v1/orders", body=iter([b'{"name"', b""]))
    exchange.unread[-1:] = [{"type": "http.disconnect"}]

    await exchange.answer()

    assert exchange.status == 0
    assert Diary.done == []


async def test_a_server_that_stops_the_request_is_obeyed(edge: Edge) -> None:
    exchange = edge.open("GET", "/v1/slow")
    await asyncio.sleep(0)

    exchange.task.cancel()
    await asyncio.wait([exchange.task])

    assert exchange.task.cancelled()
    assert Diary.canceled == ["slow"]
