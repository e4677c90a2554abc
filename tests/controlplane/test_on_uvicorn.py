"""The edge on a real server and real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest_asyncio
import uvicorn

from tests.controlplane.conftest import SampleHandler
from tests.controlplane.exchange import PATIENCE, until
from tests.controlplane.sample_urls import Diary


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """Where the sample routes are served."""
    Diary.begin()
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        SampleHandler(), http="httptools", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    yield listener.getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(serving, PATIENCE)
    listener.close()


async def test_a_stream_is_closed_when_its_socket_is(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/ticks HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(b"id: 1")
    assert Diary.closed == []

    writer.transport.abort()  # as the death of a process does

    await until(lambda: Diary.closed == ["ticks"])


async def test_a_view_is_canceled_when_its_socket_closes(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()

    writer.close()
    await writer.wait_closed()

    await until(lambda: Diary.canceled == ["slow"])


async def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    )

    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()  # to the end: the server closes

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"payload_too_large" in answer
    writer.close()
    await writer.wait_closed()


async def test_one_connection_serves_many_requests(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in (b"bodiless", b"nowhere", b"bodiless"):
        writer.write(b"POST /v1/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % path)
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 404 " if path == b"nowhere" else b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
