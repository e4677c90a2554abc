"""Routes that do what real ones may do, for the tests of the edge that serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from ninja import Schema

from agents.access import public, requires
from agents.errors import AlreadyExists, RateLimited
from controlplane.api import make_api

api = make_api("sample")


class Order(Schema):
    name: str
    amount: int
    payload: dict[str, Any] = {}


class Diary:
    """What the views noted, for the test to look at."""

    done: list[str] = []
    canceled: list[str] = []
    closed: list[str] = []
    gate: asyncio.Event

    @classmethod
    def begin(cls) -> None:
        cls.done, cls.canceled, cls.closed = [], [], []
        cls.gate = asyncio.Event()


@api.post("/orders", auth=None)
@public
async def order(request: HttpRequest, body: Order) -> dict[str, Any]:
    Diary.done.append(body.name)
    return {"ok": True, "name": body.name}


@api.post("/bodiless", auth=None)
@public
async def bodiless(request: HttpRequest) -> dict[str, Any]:
    return {"ok": True, "id": UUID(int=7), "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}


@api.post("/mine")
@requires("agent")
async def mine(request: HttpRequest, body: Order) -> dict[str, Any]:
    Diary.done.append(body.name)
    await asyncio.sleep(0.01)  # long enough for others of the same key to arrive
    return {"ok": True, "count": len(Diary.done)}


@api.post("/token")
@requires("agent")
async def token(request: HttpRequest) -> dict[str, Any]:
    return {"ok": True, "key": {"key_id": "sak_1", "token": "axme_sa_sa_1_secret"}}


@api.post("/held")
@requires("agent")
async def held(request: HttpRequest) -> dict[str, Any]:
    await Diary.gate.wait()
    Diary.done.append("held")
    return {"ok": True}


@api.post("/failing")
@requires("agent")
async def failing(request: HttpRequest) -> dict[str, Any]:
    Diary.done.append("failed")
    if len(Diary.done) == 1:
        raise AlreadyExists(extra={"service_account": {"name": "a"}})
    return {"ok": True}


@api.get("/error/{kind}", auth=None)
@public
async def error(request: HttpRequest, kind: str) -> None:
    raise {
        "missing": Http404("no"),
        "outage": OperationalError("gone"),
        "surprise": KeyError("axme_sa_x_y"),
        "limited": RateLimited(retry_after=7, details={"limit": 5}),
        "taken": AlreadyExists(extra={"service_account": {"name": "a"}}),
    }[kind]


@api.get("/slow", auth=None)
@public
async def slow(request: HttpRequest) -> dict[str, Any]:
    try:
        await Diary.gate.wait()
    except asyncio.CancelledError:
        Diary.canceled.append("slow")
        raise
    return {"ok": True}


async def ticks() -> AsyncIterator[str]:
    try:
        for number in range(1000):
            yield f"id: {number}\n\n"
            if number == 1:
                await Diary.gate.wait()
    finally:
        Diary.closed.append("ticks")


@api.get("/ticks", auth=None)
@public
async def stream(request: HttpRequest) -> HttpResponse:
    return StreamingHttpResponse(ticks(), content_type="text/event-stream")  # type: ignore[return-value]


urlpatterns = [path("v1/", api.urls)]
