"""What the nemesis submits itself: as any client it has keys, and asks again until it is told that it was accepted."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.clients.markers import marker

if TYPE_CHECKING:
    from tests.chaos.tenants import Tenant
    from tests.chaos.world import World

#: What one request submits at most.
BATCH = 500
#: Another fault may have been mended only just now.
PATIENCE_SECONDS, PAUSE_SECONDS = 20.0, 0.3


def submit(world: World, tenant: Tenant, kind: str, *, route: str = "front", **more: Any) -> str:
    """An intent for the tenant's agent of this kind, accepted."""
    [intent_id] = submit_many(world, tenant, kind, 1, route=route, **more)
    return intent_id


def submit_many(
    world: World, tenant: Tenant, kind: str, number: int, *, route: str = "front", **more: Any
) -> list[str]:
    """Intents for the tenant's agent of this kind, accepted.

    Raises:
        AssertionError: they were not, for long.
    """
    bodies = [_body(tenant, kind, more) for _ in range(number)]
    return [
        intent_id
        for start in range(0, number, BATCH)
        for intent_id in _accepted(world, tenant, bodies[start : start + BATCH], route)
    ]


def _body(tenant: Tenant, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    number = f"nemesis-{uuid.uuid4().hex[:12]}"
    return {
        "intent_type": "chaos.work.v1",
        "to_agent": tenant.accounts[kind].address,
        "max_delivery_attempts": 30,
        "idempotency_key": f"key-{number}",
        **more,
        "payload": {"marker": marker(tenant.slug, number), **more.get("payload", {})},
    }


def _accepted(world: World, tenant: Tenant, bodies: list[dict[str, Any]], route: str) -> list[str]:
    markers = [body["payload"]["marker"] for body in bodies]
    keys = [body["idempotency_key"] for body in bodies]
    deadline = time.monotonic() + world.patience(PATIENCE_SECONDS)
    why = ""
    with httpx.Client(
        base_url=world.url(route), headers={"x-api-key": tenant.key}, timeout=world.patience(10)
    ) as operator:
        while time.monotonic() < deadline:
            operation = world.journal.invoke("batch", markers=markers, keys=keys)
            try:
                answer = operator.post("/v1/intents/batch", json={"intents": bodies})
            except httpx.HTTPError as error:
                operation.unknown(error=type(error).__name__)
                why = repr(error)
            else:
                if answer.is_success:
                    ids = [str(each["intent_id"]) for each in answer.json()["results"]]
                    operation.ok(intents=ids)
                    return ids
                operation.unknown(status=answer.status_code)
                why = answer.text
            time.sleep(PAUSE_SECONDS)
    raise AssertionError(f"{len(bodies)} intents were not accepted: {why[:300]}")
