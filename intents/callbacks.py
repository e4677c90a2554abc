"""Delivery by callback: what is due for an agent in http mode is posted to its URL.

A 2xx says that the agent has it in hand: it ends the intent later by a call of its own, and until the visibility
timeout nobody else gets it. Anything else gives the delivery back, due again after a while. Whoever listens on the
address meanwhile, or before, gets what is due as with any other agent: both claim from the same queue.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from django.conf import settings

from agents.postgres import DatabaseUnavailable, in_thread
from intents import checkpoints, ledger, outgoing
from intents.operations import Steps
from intents.outgoing import CallFailed
from intents.records import Hold, Lease, Release, Row, Slot
from intents.resolver import Owner
from intents.signals import Changes

logger = logging.getLogger(__name__)

#: Seconds until the next attempt after the first, the second, and every later one.
DELAYS = (30, 120, 600)
#: Calls in flight at a time: of one process, and to one agent, so that a slow one keeps nobody else waiting. A tenant
#: has at most half of what the others leave, however many agents it has.
MOST_CALLS = 128
MOST_CALLS_OF_AGENT = 8
#: How often to look for new work while calls are in flight.
LOOK_SECONDS = 0.5

_is_calling = threading.Lock()


def ring() -> None:
    """Have what is due called, by a thread that ends when nothing is; whoever rings does not wait for it."""
    if _is_calling.acquire(blocking=False):
        threading.Thread(target=_call_and_end, name="callbacks", daemon=True).start()


def _call_and_end() -> None:
    try:
        asyncio.run(call_due())
    except DatabaseUnavailable:
        logger.warning("The database is away; callbacks go on with the next sweep.")
    except Exception:
        logger.exception("Callbacks have stopped; they go on with the next sweep.")
    finally:
        _is_calling.release()


async def call_due() -> int:
    """Call until nothing is due any more, and say how many deliveries that were."""
    session, calls, count = uuid4(), dict[asyncio.Task[None], Lease](), 0
    async with outgoing.client(MOST_CALLS) as calling:
        try:
            while True:
                agents = {row["id"]: row for row in await in_thread(ledger.run, _due)}
                slots = _slots(agents, calls.values(), session)
                for lease in await in_thread(ledger.claim, slots) if slots else []:
                    call = asyncio.create_task(_call(calling, agents[lease.agent_id], lease))
                    calls[call] = lease
                    count += 1
                if not calls:
                    return count
                await asyncio.wait(calls, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for call in [call for call in calls if call.done()]:
                    _look_at(call, calls.pop(call))
        finally:
            # Whatever went wrong, what is on its way is not cut short.
            if calls:
                await asyncio.wait(calls)


def _look_at(call: asyncio.Task[None], lease: Lease) -> None:
    """What went wrong with one call is nobody else's; that the database is away is everybody's.

    What could not be given back is due again when its lease ends.
    """
    error = call.exception()
    if isinstance(error, DatabaseUnavailable):
        raise error
    if error is not None:
        logger.error("A callback for intent %s came to no end.", lease.intent_id, exc_info=error)


def signature(secret: str, body: bytes) -> str:
    """What proves to the agent that a callback is ours."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _due(changes: Changes) -> Steps[list[Row]]:
    return (yield ("callbacks_due", {}))


def _slots(agents: Mapping[int, Row], in_flight: Collection[Lease], session: UUID) -> list[Slot]:
    of_agents = Counter(lease.agent_id for lease in in_flight)
    of_tenants = Counter(lease.organization_id for lease in in_flight)
    slots = []
    for agent_id, agent in agents.items():
        tenant = agent["organization_id"]
        left_by_others = MOST_CALLS - of_tenants.total() + of_tenants[tenant]
        share = min(MOST_CALLS_OF_AGENT - of_agents[agent_id], left_by_others // 2 - of_tenants[tenant])
        if share > 0:
            seconds = settings.PERDURE_VISIBILITY_SECONDS
            slots.append(Slot(agent_id, 1, share, session, seconds, is_detached=True))
            of_tenants[tenant] += share
    return slots


async def _call(calling: httpx.AsyncClient, agent: Row, lease: Lease) -> None:
    failed = await _failure(calling, agent, lease)
    hold = Hold(
        lease.intent_id,
        lease.organization_id,
        agent_id=lease.agent_id,
        token=lease.lease_token,
        actor=lease.to_agent,
    )
    if failed is None:
        await in_thread(ledger.acknowledge, [hold])
        return
    is_last = lease.attempt >= lease.max_attempts
    # After the last attempt there is nothing to wait for.
    delay = 0 if is_last else DELAYS[min(lease.attempt, len(DELAYS)) - 1]
    hold.actor = "system"
    await in_thread(ledger.release, [Release(hold, "released", delay, {"callback": failed})])


async def _failure(calling: httpx.AsyncClient, agent: Row, lease: Lease) -> dict[str, Any] | None:
    """Call the agent, and say what went wrong, if anything did."""
    try:
        body = _body(lease)
        status = await outgoing.post(
            calling,
            agent["callback_url"],
            body,
            _headers(agent["callback_secret"], lease, body),
            owner=Owner(lease.organization_id, lease.agent_id),
        )
    except CallFailed as failure:
        return {"error": str(failure)}
    except Exception:  # whatever a stranger's URL and answer can lead to
        logger.exception("Calling an agent about intent %s went wrong.", lease.intent_id)
        return {"error": "the call went wrong"}
    return None if 200 <= status < 300 else {"status": status}


def _headers(secret: str, lease: Lease, body: bytes) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "perdure",
        "X-Axme-Delivery-Id": str(lease.lease_token),
        "X-Trace-Id": str(lease.correlation_id),
        **({"traceparent": lease.traceparent} if lease.traceparent else {}),
    }
    return headers | ({"X-Axme-Signature": signature(secret, body)} if secret else {})


def _body(lease: Lease) -> bytes:
    return orjson.dumps(
        {
            "event_type": f"intent.{lease.status.lower()}",
            "intent_id": lease.intent_id,
            "intent_type": lease.intent_type,
            "from_agent": lease.from_agent,
            "to_agent": lease.to_agent,
            "correlation_id": lease.correlation_id,
            "payload": orjson.Fragment(lease.payload),
            "status": lease.status,
            "delivery_attempt": lease.attempt,
            "redelivery": lease.attempt > 1,
            "lease": lease.lease_token,
            "at": lease.at,
            "checkpoint_count": lease.checkpoint_count,
            "checkpoints": checkpoints.within(lease.checkpoints, checkpoints.IN_STREAM),
            **({"traceparent": lease.traceparent} if lease.traceparent else {}),
        },
        option=orjson.OPT_UTC_Z,
    )
