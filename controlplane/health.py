"""Is the process up, can it do its work, and what is missing if not."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents import postgres
from controlplane.envelope import JSON
from controlplane.payloads import dump
from controlplane.stored_figures import sweep_age

CHECK_SECONDS = 1.0
#: The sweep runs each second; deadlines are late when it has not for so long.
SWEEP_LATE_SECONDS = 10.0


async def health(request: HttpRequest) -> HttpResponse:
    """What clients of the protocol ask: is anybody there."""
    return _answer(request, 200, {"ok": True, "status": "ok", "service": "perdure"})


async def live(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody else: restarting it would not help them."""
    return _answer(request, 200, {"ok": True, "status": "live"})


async def ready(request: HttpRequest) -> HttpResponse:
    """Each part with its state. Without the database nothing works: 503. Without the others it is slower."""
    database, doorbell, sweep = await asyncio.gather(
        _check(_database()), _check(_doorbell()), _check(_sweep())
    )
    checks = {"database": database, "doorbell": doorbell, "sweep": sweep}
    if not database["ok"]:
        status = "unavailable"
    else:
        status = "ready" if all(check["ok"] for check in checks.values()) else "degraded"
    return _answer(
        request,
        200 if database["ok"] else 503,
        {"ok": database["ok"], "status": status, "checks": checks},
    )


async def _check(question: Any) -> dict[str, Any]:
    """What the question found, or the kind of error it met; the text of one names hosts and users."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found: dict[str, Any] = await question
    except (TimeoutError, OSError, RedisError, psycopg.Error, postgres.DatabaseUnavailable) as error:
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True, "ms": round((loop.time() - started) * 1000, 1), **found}


async def _database() -> dict[str, Any]:
    await postgres.rows("SELECT 1")
    return {}


async def _doorbell() -> dict[str, Any]:
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=CHECK_SECONDS)
    try:
        await client.ping()
    finally:
        await client.aclose()
    return {}


async def _sweep() -> dict[str, Any]:
    age = await sweep_age()
    if age is None:
        return {"ok": False, "error": "never ran"}
    return {"ok": age <= SWEEP_LATE_SECONDS, "age_seconds": round(age, 1)}


def _answer(request: HttpRequest, status: int, body: dict[str, Any]) -> HttpResponse:
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    return HttpResponse(dump(body), status=status, content_type=JSON)
