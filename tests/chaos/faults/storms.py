"""Many at once: a thousand agents that come back in the same moment, and endings that meet within a millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import TYPE_CHECKING

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.chaos.faults.clients import submit
from tests.chaos.faults.registry import fault

if TYPE_CHECKING:
    from tests.chaos.world import World

CROWD = 1000
#: Connections that are being opened at the same time: what one client process can do.
ABREAST = 100
RACES = 40


@fault("a thousand agents reconnect", 14)
def reconnect(world: World, chance: random.Random) -> str:
    """A thousand agents connect, lose their connections in one moment, and all come back at once."""
    return asyncio.run(_reconnect(world, chance))


async def _reconnect(world: World, chance: random.Random) -> str:
    tenant = chance.choice(world.tenants)
    gate = asyncio.Semaphore(ABREAST)
    welcomed = 0

    async def one(stack: contextlib.AsyncExitStack) -> None:
        nonlocal welcomed
        web = chance.choice(world.web)
        headers = {"x-api-key": tenant.accounts["absent"].key}
        url = web.base_url.replace("http", "ws", 1) + "/ws/agent"
        async with gate:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                # With room for nothing: what is there is not theirs.
                socket = await connect(url, additional_headers=headers, open_timeout=30, compression=None)
                stack.push_async_callback(_drop, socket)
                await socket.send(json.dumps({"type": "watch", "ref": 1, "intents": []}))
                await asyncio.wait_for(socket.recv(), 30)
                welcomed += 1

    for _ in range(2):
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(one(stack) for _ in range(CROWD)))
    return f"{welcomed} connections in two waves" if welcomed > 1.9 * CROWD else ""


async def _drop(socket: object) -> None:
    """Without a goodbye."""
    transport = getattr(socket, "transport", None)
    if transport is not None:
        transport.abort()


@fault("end at once", 5)
def end_at_once(world: World, chance: random.Random) -> str:
    """Complete and cancel, by both web processes, for many intents within a millisecond each."""
    return asyncio.run(_end_at_once(world, chance))


async def _end_at_once(world: World, chance: random.Random) -> str:
    tenant = chance.choice(world.tenants)
    ids = [submit(world, tenant, "absent") for _ in range(RACES)]
    bodies = {
        "complete": {"status": "COMPLETED", "result": {"by": "nemesis"}},
        "cancel": {"status": "CANCELED", "reason": "at once"},
    }
    async with contextlib.AsyncExitStack() as stack:
        doors = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=web.base_url, headers={"x-api-key": tenant.key}, timeout=60)
            )
            for web in world.web
        ]

        async def end(intent_id: str, do: str, door: httpx.AsyncClient) -> int:
            operation = world.journal.invoke(do, intent=intent_id)
            try:
                answer = await door.post(f"/v1/intents/{intent_id}/resolve", json=bodies[do])
            except httpx.HTTPError:
                operation.unknown()
                return 0
            if answer.is_success:
                operation.ok()
            elif answer.status_code < 500:
                operation.failed(status=answer.status_code)
            else:
                operation.unknown(status=answer.status_code)
            return answer.status_code

        statuses: list[int] = []
        for intent_id in ids:
            order = chance.sample(doors, 2)
            statuses += await asyncio.gather(*map(end, [intent_id] * 2, bodies, order))
    return f"{RACES} races, {statuses.count(200)} winners" if statuses.count(409) else ""
