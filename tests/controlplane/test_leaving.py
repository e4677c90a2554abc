"""A web process that is told to stop lets nobody down who is inside already."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvicorn

from controlplane import lifespan, web
from controlplane.bodies import Receive, Scope, Send
from controlplane.leaving import Leaving, admit_the_last
from tests.controlplane.exchange import PATIENCE, until

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"2"), (b"connection", b"keep-alive")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


async def answer(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    reader, writer = streams
    writer.write(REQUEST)
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(2)


def is_refused(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_who_is_inside_is_served_once_more_and_asked_to_come_in_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    everybody_has_gone = asyncio.Event()

    async def linger(is_anybody_there: Callable[[], bool]) -> None:
        order.append("lingers")
        await asyncio.wait_for(everybody_has_gone.wait(), PATIENCE)

    async def drain() -> None:
        order.append("tells streams")

    monkeypatch.setattr(web, "linger", linger)
    monkeypatch.setattr(lifespan, "drain", drain)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    leaving = Leaving(application)
    config = uvicorn.Config(leaving, http="httptools", lifespan="off", log_config=None, access_log=False)
    server = web.UvicornServer(config, leaving, shares_listener=False)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    idle = await asyncio.open_connection("127.0.0.1", port)
    silent = await asyncio.open_connection("127.0.0.1", port)
    assert b"connection: close" not in await answer(idle)

    server.should_exit = True
    await until(lambda: order == ["lingers"])

    assert await asyncio.to_thread(is_refused, port)
    for streams in (idle, silent):
        said = await answer(streams)
        assert said.startswith(b"HTTP/1.1 200")
        assert said.lower().count(b"connection:") == 1
        assert b"connection: close" in said.lower()
    everybody_has_gone.set()
    await asyncio.wait_for(serving, PATIENCE)
    for _, writer in (idle, silent):
        writer.close()
        await writer.wait_closed()
    assert order == ["lingers", "tells streams"]


async def test_nobody_gets_into_the_queue_that_is_thrown_away_when_the_door_closes() -> None:
    """Who has knocked is let in; who comes then finds nobody, and has sent nothing when it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        writer.close()
        await writer.wait_closed()

    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as early:
        port = listener.getsockname()[1]
        early.connect(("127.0.0.1", port))  # by the kernel: nobody accepts yet
        server = await asyncio.start_server(serve, sock=listener)

        await admit_the_last(listener)

        assert is_refused(
            port
        )  # the loop stands still while this tries: as if the process had lost its processor
        server.close()
        listener.close()
        reader, writer = await asyncio.open_connection(sock=early)
        assert (await answer((reader, writer))).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        assert is_refused(port)
