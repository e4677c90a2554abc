"""Readers who do not read: what the server has to tell them piles up, and is not to be in anybody else's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket as sockets
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit

if TYPE_CHECKING:
    from tests.chaos.tenants import Tenant
    from tests.chaos.world import World

#: What one frame may name, and so many frames at most, whose answers are not read: some megabytes fill every buffer.
NAMED, FRAMES = 500, 1000
#: The less the kernel of who does not read keeps, the more the server has to.
RECEIVE_BYTES = 4096
#: When nothing that it has sent is taken for twenty seconds, the server's kernel gives the connection up.
CLOSED_WITHIN_SECONDS = 60.0
#: Somebody beside them asks once a second, and is told within so many.
PAUSE_SECONDS, TOLD_WITHIN_SECONDS = 1.0, 2.0
#: Should a cancellation get lost, what was submitted to watch its end ends by itself.
LATEST_END = timedelta(seconds=20)


@fault("read slowly", 30)
def read_slowly(world: World, chance: random.Random) -> str:
    """Who asks for megabytes and never reads is closed by the server; beside it all are told within 2 s of an end."""
    return asyncio.run(_read_slowly(world, chance))


async def _read_slowly(world: World, chance: random.Random) -> str:
    tenant, number = chance.choice(world.tenants), chance.randrange(len(world.web))
    ids = await asyncio.to_thread(_ended, world, tenant)
    if not ids:
        return ""
    route = f"{chance.choice(('axme', 'socket-a', 'load'))}-{tenant.number}"
    url, is_over = world.web[number].base_url, asyncio.Event()
    beside = asyncio.create_task(_live_beside(world, tenant, number, is_over))
    try:
        with world.network.broken("slow", route) as trickled:
            closing = asyncio.create_task(_read_nothing(url, tenant.key, ids))
            await asyncio.sleep(chance.uniform(2, 4))
        sent, seconds = await closing
    finally:
        is_over.set()
        told = await beside
    slowest, limit = max(told), world.patience(TOLD_WITHIN_SECONDS)
    world.journal.note("beside", during="read slowly", seconds=told, limit=limit)
    what = (
        f"{sent} frames whose answers were not read, closed by the server after {seconds:.0f} s; beside it, in"
        f" {len(told)} times, an end was told after {median(told):.2f} s, at most {slowest:.2f} s;"
        f" {trickled[route]} answers of {route} trickled"
    )
    assert slowest <= limit, what
    return what


def _ended(world: World, tenant: Tenant) -> list[str]:
    """Intents that have ended: their outcomes are told to whoever asks, as often as he asks."""
    query = (
        "SELECT intent.id::text FROM intents_intent AS intent"
        " JOIN agents_organization AS organization ON organization.id = intent.organization_id"
        " WHERE organization.slug = %s AND intent.status = 'COMPLETED' ORDER BY intent.id DESC LIMIT %s"
    )
    return [row[0] for row in world.rows(query, tenant.slug, NAMED)]


async def _read_nothing(url: str, key: str, ids: list[str]) -> tuple[int, float]:
    """Ask without reading until nobody takes a question any more; how often, and after how long the server closed it.

    Raises:
        AssertionError: it did not.
    """
    began, sent = time.monotonic(), 0
    frame = json.dumps({"type": "watch", "ref": "unread", "intents": (ids * NAMED)[:NAMED]})
    socket = await _connected(url, key, _hard_of_hearing(url), max_queue=1)
    try:
        async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
            while sent < FRAMES:
                await socket.send(frame)  # waits for ever when the server reads no further
                sent += 1
            while True:  # a small thing, now and then, which meets the end of the connection
                await asyncio.sleep(0.5)
                await socket.send('{"type": "pong"}')
    except ConnectionClosed:
        return sent, time.monotonic() - began
    except TimeoutError:
        raise AssertionError(f"who does not read was not closed; {sent} frames were sent") from None
    finally:
        socket.transport.abort()


def _hard_of_hearing(url: str) -> sockets.socket:
    where = httpx.URL(url)
    wire = sockets.socket()
    wire.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, RECEIVE_BYTES)
    wire.connect((where.host, where.port))
    wire.setblocking(False)
    return wire


async def _connected(url: str, key: str, wire: sockets.socket | None = None, **more: Any) -> ClientConnection:
    path = f"{url.replace('http', 'ws', 1)}/ws/agent"
    headers = {"x-api-key": key}
    return await connect(
        path,
        additional_headers=headers,
        sock=wire,
        compression=None,
        ping_interval=None,
        open_timeout=30,
        **more,
    )


async def _live_beside(world: World, tenant: Tenant, number: int, is_over: asyncio.Event) -> list[float]:
    """Submit, watch and cancel at the same process again and again: how long it took each time to be told."""
    seconds: list[float] = []
    url = world.web[number].base_url
    socket = await _connected(url, tenant.key)
    async with (
        socket,
        httpx.AsyncClient(base_url=url, headers={"x-api-key": tenant.key}, timeout=60) as operator,
    ):
        while not (is_over.is_set() and seconds):
            deadline = (datetime.now(UTC) + LATEST_END).isoformat()
            route = f"web-{number}"
            intent_id = await asyncio.to_thread(
                submit, world, tenant, "absent", route=route, deadline_at=deadline
            )
            await socket.send(json.dumps({"type": "watch", "ref": "beside", "intents": [intent_id]}))
            while json.loads(await socket.recv()).get("ref") != "beside":
                pass
            operation = world.journal.invoke("cancel", intent=intent_id)
            began = time.monotonic()
            try:
                answer = await operator.post(
                    f"/v1/intents/{intent_id}/resolve", json={"status": "CANCELED", "reason": "beside"}
                )
            except httpx.HTTPError:
                operation.unknown()
                raise
            operation.ok() if answer.is_success else operation.unknown(status=answer.status_code)
            while intent_id not in str(await socket.recv()):
                pass
            seconds.append(time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), PAUSE_SECONDS)
    return seconds
