"""Many at once: a thousand agents that come back in the same moment, and all of them want their work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
import uuid
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit_many
from tests.chaos.history import Journal, Operation

if TYPE_CHECKING:
    from tests.chaos.tenants import Tenant
    from tests.chaos.world import World

CROWD = 1000
#: Connections that are being opened at the same time: what one client process can do.
ABREAST = 100
#: So long they may take to come, and to do all of the work that waits for them.
COMING_SECONDS, WORK_SECONDS = 40, 40


@fault("a thousand agents reconnect", 20)
def reconnect(world: World, chance: random.Random) -> str:
    """A thousand agents lose their connections in one moment, come back at once, and do the work that waits for all."""
    return asyncio.run(_reconnect(world, chance))


async def _reconnect(world: World, chance: random.Random) -> str:
    tenant = chance.choice(world.tenants)
    first = Crowd(world, tenant, chance)
    async with contextlib.AsyncExitStack() as stack:
        await first.come(stack)
    ids = await asyncio.to_thread(submit_many, world, tenant, "crowd", CROWD)
    again = Crowd(world, tenant, chance)
    async with contextlib.AsyncExitStack() as stack:
        tasks = await again.come(stack)
        is_done = await _are_done(world, ids)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    told = (
        f"{first.welcomed} connections were lost, {again.welcomed} came back,"
        f" {len(again.workers)} of them had work of {len(ids)} intents"
    )
    assert min(first.welcomed, again.welcomed) >= 0.95 * CROWD, told
    assert is_done, f"{told}, which is not done"
    return told


class Crowd:
    """A thousand connections, each of an agent with room for one."""

    def __init__(self, world: World, tenant: Tenant, chance: random.Random) -> None:
        self.world, self.tenant, self.chance = world, tenant, chance
        self.account = tenant.accounts["crowd"]
        self.journal = Journal(world.directory / "history", f"crowd-{tenant.number}")
        self.gate = asyncio.Semaphore(ABREAST)
        self.welcomed = 0
        #: those who have had work
        self.workers: set[int] = set()

    async def come(self, stack: contextlib.AsyncExitStack) -> list[asyncio.Task[None]]:
        """Connect all of them; on leaving the stack each connection is dropped. The tasks are their work."""
        sockets = await asyncio.gather(*(self._enter(stack) for _ in range(CROWD)))
        there = [socket for socket in sockets if socket is not None]
        return [asyncio.create_task(self._work(number, socket)) for number, socket in enumerate(there)]

    async def _enter(self, stack: contextlib.AsyncExitStack) -> ClientConnection | None:
        """A connection that is welcome; who is not let in comes again, as any agent does."""
        deadline = time.monotonic() + self.world.patience(COMING_SECONDS)
        while time.monotonic() < deadline:
            async with self.gate:
                with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                    return await self._try_to_enter(stack)
            await asyncio.sleep(self.chance.uniform(0.2, 0.8))
        return None

    async def _try_to_enter(self, stack: contextlib.AsyncExitStack) -> ClientConnection:
        url = self.chance.choice(self.world.web).base_url.replace("http", "ws", 1) + "/ws/agent"
        headers = {"x-api-key": self.account.key}
        socket = await connect(url, additional_headers=headers, open_timeout=60, compression=None)
        stack.push_async_callback(_drop, socket)
        await socket.send(json.dumps({"type": "hello", "ref": 0, "address": self.account.address}))
        frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
        if frame["type"] != "welcome":
            socket.transport.abort()
            raise OSError(f"not welcome: {frame}")
        self.welcomed += 1
        return socket

    async def _work(self, number: int, socket: ClientConnection) -> None:
        """Complete whatever comes, at once."""
        asked: dict[str, Operation] = {}
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "deliveries":
                    self.workers.add(number)
                    for delivery in frame["deliveries"]:
                        await self._complete(socket, delivery, asked)
                elif frame["type"] == "result" and (operation := asked.pop(str(frame.get("ref")), None)):
                    [result] = frame["results"]
                    operation.ok() if result["ok"] else operation.failed(code=result["error"]["code"])
        except (OSError, WebSocketException):
            pass  # the work of who is gone is handed to another
        finally:
            for operation in asked.values():
                operation.unknown()

    async def _complete(
        self, socket: ClientConnection, delivery: dict[str, Any], asked: dict[str, Operation]
    ) -> None:
        named = {"intent_id": delivery["intent_id"], "lease": delivery["lease"]}
        run, attempt, ref = uuid.uuid4().hex[:12], delivery["attempt"], uuid.uuid4().hex
        facts = {"intent": delivery["intent_id"], "attempt": attempt}
        self.journal.note("run", run=run, seq=delivery["seq"], agent="crowd", **facts)
        result = {"run": run, "attempt": attempt, "marker": delivery["payload"].get("marker")}
        asked[ref] = self.journal.invoke("complete", lease=delivery["lease"], **facts)
        await socket.send(json.dumps({"type": "complete", "ref": ref, "result": result, **named}))


async def _are_done(world: World, ids: list[str]) -> bool:
    """Whether all of it is completed, before patience ends."""
    query = "SELECT count(*) FROM intents_intent WHERE id = ANY(%s::uuid[]) AND status = 'COMPLETED'"
    deadline = time.monotonic() + world.patience(WORK_SECONDS)
    while time.monotonic() < deadline:
        if (await asyncio.to_thread(world.rows, query, ids))[0][0] == len(ids):
            return True
        await asyncio.sleep(0.3)
    return False


async def _drop(socket: ClientConnection) -> None:
    """Without a goodbye."""
    socket.transport.abort()
