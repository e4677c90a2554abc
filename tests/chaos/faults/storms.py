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
from tests.chaos.tenants import CROWDS

if TYPE_CHECKING:
    from tests.chaos.world import World
    from tests.live import Account

CROWD = 1000
#: So long they may take to come, and to do all of the work that waits for them.
COMING_SECONDS, WORK_SECONDS = 40, 40


@fault("a thousand agents reconnect", 20)
def reconnect(world: World, chance: random.Random) -> str:
    """A thousand connections of agents of all tenants, five each, are lost, opened again at once, and all get work."""
    return asyncio.run(_reconnect(world, chance))


async def _reconnect(world: World, chance: random.Random) -> str:
    first = Crowd(world, chance)
    async with contextlib.AsyncExitStack() as stack:
        await first.come(stack)
    share = CROWD // len(first.members)
    submissions = [
        asyncio.to_thread(submit_many, world, tenant, account.name, share)
        for tenant, account in first.members
    ]
    ids = [each for some in await asyncio.gather(*submissions) for each in some]
    again = Crowd(world, chance)
    async with contextlib.AsyncExitStack() as stack:
        began = time.monotonic()
        tasks = await again.come(stack)
        seconds = time.monotonic() - began
        is_done = await _are_done(world, ids)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    told = (
        f"{first.welcomed} connections of {len(first.members)} agents were lost, {again.welcomed} came back within"
        f" {seconds:.1f} s, {len(again.workers)} of them had work of {len(ids)} intents"
    )
    assert min(first.welcomed, again.welcomed) >= 0.95 * CROWD, told
    assert is_done, f"{told}, which is not done"
    return told


class Crowd:
    """A thousand connections, each with room for one, as many of each agent that comes in crowds."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.members = [(tenant, tenant.accounts[name]) for tenant in world.tenants for name in CROWDS]
        self.journal = Journal(world.directory / "history", "crowd")
        self.welcomed = 0
        #: those who have had work
        self.workers: set[int] = set()

    async def come(self, stack: contextlib.AsyncExitStack) -> list[asyncio.Task[None]]:
        """Connect all of them; on leaving the stack each connection is dropped. The tasks are their work."""
        accounts = [self.members[number % len(self.members)][1] for number in range(CROWD)]
        sockets = await asyncio.gather(*(self._enter(stack, account) for account in accounts))
        there = [socket for socket in sockets if socket is not None]
        return [asyncio.create_task(self._work(number, socket)) for number, socket in enumerate(there)]

    async def _enter(self, stack: contextlib.AsyncExitStack, account: Account) -> ClientConnection | None:
        """A connection that is welcome; who is not let in comes again, as any agent does."""
        deadline = time.monotonic() + self.world.patience(COMING_SECONDS)
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                return await self._try_to_enter(stack, account)
            await asyncio.sleep(self.chance.uniform(0.2, 0.8))
        return None

    async def _try_to_enter(self, stack: contextlib.AsyncExitStack, account: Account) -> ClientConnection:
        url = self.chance.choice(self.world.web).base_url.replace("http", "ws", 1) + "/ws/agent"
        headers = {"x-api-key": account.key}
        socket = await connect(url, additional_headers=headers, open_timeout=60, compression=None)
        stack.push_async_callback(_drop, socket)
        await socket.send(json.dumps({"type": "hello", "ref": 0, "address": account.address}))
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
