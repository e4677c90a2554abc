"""Processes that kill themselves at a named point around a commit, which what we ask them brings them to."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit
from tests.chaos.launch import DIED, STATEMENTS, SWEPT
from tests.servers import Process, Web

if TYPE_CHECKING:
    from tests.chaos.tenants import Tenant
    from tests.chaos.world import World

Bring = Callable[["World", "Tenant", Process], None]

#: Who is told to stop finishes what it has in hand.
STOP_SECONDS = 30
#: Within so many seconds it comes to its point so often as it has to.
REACHED_SECONDS = 45
#: What the load alone brings a web process to all the time.
BUSY = frozenset({"submit", "claim", "acknowledge", "checkpoint", "finish"})
PAUSE_SECONDS, REQUEST_SECONDS = 0.2, 10.0
RESUMED_TRIES = 10
#: What we submit ends by itself, should we have no time to end it.
LATEST_END_SECONDS, SHORT_SECONDS = 30.0, 2.0


@fault("die at a failpoint", 9)
def failpoint(world: World, chance: random.Random) -> str:
    """A web process kills itself right before or after a statement of the ledger: a commit whose answer nobody gets."""
    name = chance.choice(STATEMENTS)
    times = chance.randint(1, 4 if name in BUSY else 2)
    return _die_at(world, chance, chance.choice(world.web), _point(chance, name), times)


@fault("die at a failpoint of the worker", 9)
def failpoint_worker(world: World, chance: random.Random) -> str:
    """The worker kills itself around a statement of its sweep: what is overdue has ended, unannounced, or has not."""
    return _die_at(world, chance, world.worker, _point(chance, chance.choice(SWEPT)), chance.randint(1, 2))


@fault("die after the commit of a submission", 9)
def failpoint_submit(world: World, chance: random.Random) -> str:
    """The same at the point that matters most: submitted, committed, not answered."""
    return _die_at(world, chance, chance.choice(world.web), "after-submit", chance.randint(1, 5))


def _point(chance: random.Random, name: str) -> str:
    return f"{chance.choice(('before', 'after'))}-{name}"


def _die_at(world: World, chance: random.Random, process: Process, point: str, times: int) -> str:
    process.stop(world.patience(STOP_SECONDS))
    plain, read = process.environment, process.log.stat().st_size
    process.environment = {**plain, "CHAOS_FAILPOINT": f"{point}:{times}"}
    try:
        process.start()
        deadline = time.monotonic() + world.patience(REACHED_SECONDS)
        tenant, ways = (
            chance.choice(world.tenants),
            BRINGING if isinstance(process, Web) else BRINGING_WORKERS,
        )
        bring = ways.get(point.partition("-")[2], _wait)
        while process.is_running() and time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError, AssertionError):  # it is not there yet, or not any more
                bring(world, tenant, process)
            time.sleep(PAUSE_SECONDS)
        was_killed = process.returncode == -signal.SIGKILL
    finally:
        process.environment = plain
        if process.is_running():
            process.kill()
        process.start()
        if isinstance(process, Web):
            process.wait()
    said = process.log.read_bytes()[read:].decode(errors="replace")
    if not was_killed or f"{DIED}{point}\n" not in said:
        return ""
    world.journal.note("failpoint", part=process.name, point=point)
    return f"{process.name} died at {point}"


# -- what brings a process to a point that the load seldom brings it to ----------------------------------------------


def _wait(world: World, tenant: Tenant, process: Process) -> None:
    """The load does."""


def _expire(world: World, tenant: Tenant, process: Process) -> None:
    """Let an intent come to its deadline."""
    _submitted(world, tenant, "absent", SHORT_SECONDS)
    time.sleep(SHORT_SECONDS)


def _hold(world: World, tenant: Tenant, process: Process) -> None:
    """Be an agent whose stream begins, and ends with something in hand, whose lease was renewed."""
    account = tenant.accounts["frozen"]
    path = f"/v1/agents/{account.name}/intents/stream?hold=1&max_in_flight=1&wait_seconds=5"
    with _door(process, account.key) as agent:
        agent.get("/healthz/live")
        intent_id = _submitted(world, tenant, "frozen")
        with agent.stream("GET", path) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: ") and (lease := json.loads(line[6:]).get("lease_token")):
                    held = json.loads(line[6:])["intent_id"]
                    with _door(process, account.key) as other:
                        other.post(f"/v1/intents/{held}/extend", headers={"x-perdure-lease": lease})
                    break
        _cancel(world, tenant, process, intent_id)


def _retry(world: World, tenant: Tenant, process: Process) -> None:
    """Make another intent of one that has ended, which begins with the steps that were saved."""
    query = (
        "SELECT intent.id::text FROM intents_intent AS intent"
        " JOIN agents_organization AS organization ON organization.id = intent.organization_id"
        " WHERE organization.slug = %s AND intent.status = 'COMPLETED' ORDER BY intent.id DESC LIMIT 1"
    )
    for (ended,) in world.rows(query, tenant.slug):
        key = f"retry-{ended}-{uuid.uuid4().hex[:12]}"
        facts = {"intent_before": ended, "key": key, "inherits": True}
        with _door(process, tenant.key) as operator:
            operator.headers["Idempotency-Key"] = key
            _noted(world, operator, "retry", f"/v1/intents/{ended}/retry", {"checkpoints": True}, **facts)


def _wake(world: World, tenant: Tenant, process: Process) -> None:
    """Set an intent going that nobody waits for."""
    with _door(process, tenant.key) as operator:
        operator.get("/healthz/live")
        intent_id = _submitted(world, tenant, "absent")
        operator.post(f"/v1/intents/{intent_id}/resume", json={"reason": "chaos"})
    _cancel(world, tenant, process, intent_id)


def _kill(world: World, tenant: Tenant, process: Process) -> None:
    """Kill an agent by its switch, which each web process heeds, and resume it by another one, should this one die."""
    with _door(process, tenant.key) as operator:
        operator.get("/healthz/live")
        try:
            _switch(world, tenant, operator, "kill")
        finally:
            _resume(world, tenant)


def _resume(world: World, tenant: Tenant) -> None:
    headers = {"x-api-key": tenant.key}
    for _ in range(RESUMED_TRIES):
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.Client(base_url=world.url("front"), headers=headers, timeout=REQUEST_SECONDS) as front,
        ):
            _switch(world, tenant, front, "resume")
            return
        time.sleep(PAUSE_SECONDS)


BRINGING: dict[str, Bring] = {
    "inherit": _retry,
    "take_over": _hold,
    "extend": _hold,
    "release": _hold,
    "wake": _wake,
    "interrupt": _kill,
}
BRINGING_WORKERS: dict[str, Bring] = {"due_timers": _expire, "finish": _expire}


def _door(process: Process, key: str) -> httpx.Client:
    assert isinstance(process, Web)
    return httpx.Client(base_url=process.base_url, headers={"x-api-key": key}, timeout=REQUEST_SECONDS)


def _submitted(world: World, tenant: Tenant, kind: str, seconds: float = LATEST_END_SECONDS) -> str:
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    return submit(world, tenant, kind, deadline_at=deadline.isoformat())


def _cancel(world: World, tenant: Tenant, process: Process, intent_id: str) -> None:
    with _door(process, tenant.key) as operator:
        body = {"status": "CANCELED", "reason": "chaos"}
        _noted(world, operator, "cancel", f"/v1/intents/{intent_id}/resolve", body, intent=intent_id)


def _switch(world: World, tenant: Tenant, door: httpx.Client, do: str) -> None:
    agent = tenant.accounts["doomed"].address
    _noted(world, door, do, f"/v1/mesh/agents/{agent.removeprefix('agent://')}/{do}", {}, agent=agent)


def _noted(world: World, door: httpx.Client, do: str, path: str, body: dict[str, Any], **facts: Any) -> None:
    operation = world.journal.invoke(do, **facts)
    try:
        answer = door.post(path, json=body)
    except httpx.HTTPError:
        operation.unknown()
        raise
    if answer.is_success:
        operation.ok(**({"intent": answer.json()["intent_id"]} if do == "retry" else {}))
    elif answer.status_code < 500:
        operation.failed(status=answer.status_code)
    else:
        operation.unknown(status=answer.status_code)
