"""Endings that meet: complete, cancel, a deadline and the kill switch, asked of both web processes at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit_many

if TYPE_CHECKING:
    from tests.chaos.tenants import Tenant
    from tests.chaos.world import World

#: Complete against cancel; both against a deadline; an agent's completions against its own kill, some times over.
RACES, DEADLINES, KILLS, OF_ONE_KILL = 30, 10, 4, 8
#: The sweep ends what is overdue within a second after the deadline, or a little later.
DEADLINE_SECONDS, SWEEP_SECONDS = 1.5, 1.5
DEADLINE_ROUNDS = 5
BODIES: dict[str, dict[str, Any]] = {
    "complete": {"status": "COMPLETED", "result": {"by": "nemesis"}},
    "cancel": {"status": "CANCELED", "reason": "at once"},
}


@fault("end at once", 9)
def end_at_once(world: World, chance: random.Random) -> str:
    """Complete and cancel are asked of both web processes at once, also as a deadline ends, or the agent is killed."""
    return asyncio.run(_race(world, chance))


async def _race(world: World, chance: random.Random) -> str:
    async with contextlib.AsyncExitStack() as stack:
        racing = await stack.enter_async_context(Racing(world, chance))
        await racing.endings()
        await racing.deadlines()
        await racing.kills()
    came = racing.came
    kinds = (
        "complete 200",
        "complete 409",
        "cancel 200",
        "cancel 409",
        "complete 403",
        "kill 200",
        "deadline won",
    )
    told = ", ".join(f"{kind.replace(' ', ': ')} {came[kind]} times" for kind in kinds)
    asked, answered = (1000 * median(gaps) for gaps in zip(*racing.gaps, strict=True))
    told += f"; of two that raced, {asked:.1f} ms between the requests and {answered:.1f} between the answers (medians)"
    world.journal.note("races", came=dict(came), asked_ms=round(asked, 2), answered_ms=round(answered, 2))
    assert all(came[each] for each in kinds), told
    assert came["kill 200"] >= KILLS, told
    return told


class Racing:
    """Doors to both web processes, for the operator and for an agent of one tenant, and what came of what was asked."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.tenant: Tenant = chance.choice(world.tenants)
        self.came: Counter[str] = Counter()
        #: of each two that raced, the seconds between what was asked, and between the answers
        self.gaps: list[tuple[float, float]] = []
        self._stack = contextlib.AsyncExitStack()
        self._doors: dict[str, list[httpx.AsyncClient]] = {}

    async def __aenter__(self) -> Racing:
        for who, key in (("operator", self.tenant.key), ("agent", self.tenant.accounts["doomed"].key)):
            self._doors[who] = [
                await self._stack.enter_async_context(
                    httpx.AsyncClient(base_url=web.base_url, headers={"x-api-key": key}, timeout=60)
                )
                for web in self.world.web
            ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # -- the races ------------------------------------------------------------------------------------------------

    async def endings(self) -> None:
        """Complete and cancel, each at another process."""
        for intent_id in await self._submitted(RACES, "absent"):
            await self._both(intent_id)

    async def deadlines(self) -> None:
        """The same around the moment at which the deadline is enforced; again, if it was never the first."""
        for _ in range(DEADLINE_ROUNDS):
            if self.came["deadline won"]:
                return
            await self._deadlines()

    async def _deadlines(self) -> None:
        moment = datetime.now(UTC) + timedelta(seconds=DEADLINE_SECONDS)
        ids = await self._submitted(DEADLINES, "absent", deadline_at=moment.isoformat())

        async def late(intent_id: str) -> None:
            left = (moment - datetime.now(UTC)).total_seconds() + self.chance.uniform(0, SWEEP_SECONDS)
            await asyncio.sleep(max(0.0, left))
            await self._both(intent_id)

        await asyncio.gather(*map(late, ids))
        query = "SELECT count(*) FROM intents_intent WHERE id = ANY(%s::uuid[]) AND status = 'TIMED_OUT'"
        self.came["deadline won"] += (await asyncio.to_thread(self.world.rows, query, ids))[0][0]

    async def kills(self) -> None:
        """An agent completes what it was sent, and is killed meanwhile; once that is answered, nothing of it counts."""
        agent = self.tenant.accounts["doomed"].address
        for _ in range(KILLS):
            ids = await self._submitted(OF_ONE_KILL, "doomed")
            late = ids.pop()
            asked: list[Awaitable[object]] = [
                self._end(each, "complete", "agent", agent=agent) for each in ids
            ]
            asked.insert(self.chance.randrange(len(asked)), self._switch("kill", agent))
            await asyncio.gather(*asked)
            await self._end(late, "complete", "agent", agent=agent)
            await self._switch("resume", agent)
            await asyncio.gather(*(self._end(each, "cancel", "operator") for each in (*ids, late)))

    # -- what is asked --------------------------------------------------------------------------------------------

    async def _both(self, intent_id: str) -> None:
        here, there = self.chance.sample(self._doors["operator"], 2)
        (asked, answered), (asked_too, answered_too) = await asyncio.gather(
            self._end(intent_id, "complete", "operator", here),
            self._end(intent_id, "cancel", "operator", there),
        )
        self.gaps.append((abs(asked - asked_too), abs(answered - answered_too)))

    async def _end(
        self, intent_id: str, do: str, who: str, door: httpx.AsyncClient | None = None, **facts: Any
    ) -> tuple[float, float]:
        """When it was asked, and when there was an answer or an end of waiting for one."""
        asked = time.monotonic()
        path = f"/v1/intents/{intent_id}/resolve"
        await self._ask(
            do, door or self.chance.choice(self._doors[who]), path, BODIES[do], intent=intent_id, **facts
        )
        return asked, time.monotonic()

    async def _switch(self, do: str, agent: str) -> None:
        path = f"/v1/mesh/agents/{agent.removeprefix('agent://')}/{do}"
        await self._ask(do, self.chance.choice(self._doors["operator"]), path, {}, agent=agent)

    async def _submitted(self, number: int, kind: str, **more: Any) -> list[str]:
        return await asyncio.to_thread(submit_many, self.world, self.tenant, kind, number, **more)

    async def _ask(
        self, do: str, door: httpx.AsyncClient, path: str, body: dict[str, Any], **facts: Any
    ) -> None:
        operation = self.world.journal.invoke(do, **facts)
        try:
            answer = await door.post(path, json=body)
        except httpx.HTTPError:
            operation.unknown()
            self.came[f"{do} lost"] += 1
            return
        self.came[f"{do} {answer.status_code}"] += 1
        if answer.is_success:
            operation.ok()
        elif answer.status_code < 500:
            operation.failed(status=answer.status_code)
        else:
            operation.unknown(status=answer.status_code)
