"""Restate: a server of its own with a log of its own, which calls the handler over HTTP/2."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

from bench.clients import http
from bench.peers import load

#: The program itself; what npm puts before it would forward signals that it has already.
SERVER = "node_modules/@restatedev/restate-server-*/bin/restate-server"
PARTITIONS = 4

service = restate.Service("Bench")


def server_program() -> str:
    """Where npm has put the server for this machine."""
    (program,) = Path(sys.prefix).glob(SERVER)
    return str(program)


@service.handler()
async def work(ctx: restate.Context, payload: dict[str, Any]) -> dict[str, Any]:
    """What the handler does."""
    return {"ok": True, "n": payload["n"], "started_ns": time.monotonic_ns()}


@service.handler()
async def pipeline(ctx: restate.Context, payload: dict[str, Any]) -> dict[str, Any]:
    """Four steps."""
    for step in load.STEPS:
        await ctx.run_typed(step, save)
    return {"ok": True}


async def save() -> dict[str, int]:
    """What a step makes."""
    return {"rows": 500_000}


class Peer(load.Peer):
    """Calls of a handler through the server, each with an idempotency key; the answer is the outcome."""

    at_once = 256
    MADE_OF = ("restate-sdk", "hypercorn")

    def versions(self) -> dict[str, str]:
        package = Path(server_program()).parents[1] / "package.json"
        return {"restate-server": json.loads(package.read_text())["version"], **super().versions()}

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._working()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        ingress, admin, node, handler = self.of["ports"]
        stopped = asyncio.Event()
        config = Config()
        config.bind = [f"127.0.0.1:{handler}"]
        config.accesslog = config.errorlog = None
        config.h2_max_concurrent_streams = 2048
        serving = asyncio.create_task(serve(restate.app([service]), config, shutdown_trigger=stopped.wait))
        environment = {
            **os.environ,
            "RESTATE_BASE_DIR": str(Path(self.of["directory"]) / "restate"),
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DEFAULT_NUM_PARTITIONS": str(PARTITIONS),
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_LOG_FILTER": "error,octocrab=off",
            "DO_NOT_TRACK": "1",
        }
        server = await asyncio.create_subprocess_exec(
            server_program(), "--no-logo", env=environment, stdout=sys.stderr, start_new_session=True
        )
        try:
            await self._register(admin, handler, server)
            yield
        finally:
            stopped.set()
            await load.ended(server)
            await asyncio.wait([serving], timeout=5)

    async def _register(self, admin: int, handler: int, server: asyncio.subprocess.Process) -> None:
        body = json.dumps({"uri": f"http://127.0.0.1:{handler}"}).encode()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.returncode is None:
            try:
                connection = await http.connect(f"http://127.0.0.1:{admin}", "")
                await connection.post("/deployments", body)
                return  # it knew that already
            except http.Failed as answered:
                if str(answered).startswith("201"):
                    return
                await asyncio.sleep(0.3)
            except OSError:
                await asyncio.sleep(0.3)
        raise RuntimeError("Restate's server does not start")

    async def connect(self) -> None:
        self.free: list[http.Connection] = []
        deadline = time.monotonic() + 20
        while True:
            try:
                await self._call("work", {"n": 0})
                return
            except (http.Failed, OSError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.3)

    async def _call(self, handler: str, payload: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.of['ports'][0]}"
        connection = self.free.pop() if self.free else await http.connect(url, "")
        key = b"idempotency-key: %b\r\n" % str(uuid.uuid4()).encode()
        content = await connection.post(f"/Bench/{handler}", json.dumps(payload).encode(), key)
        self.free.append(connection)
        answer: dict[str, Any] = json.loads(content)
        return answer

    async def submit(self, payloads: list[load.Payload]) -> None:
        (payload,) = payloads
        self.seen(payload["n"], await self._call("work", payload))

    async def watch(self) -> None:
        """The answer to the call is the outcome."""
        await asyncio.Event().wait()

    async def checkpoints(self, seconds: float) -> int:
        ends_at, saved = time.monotonic() + seconds, 0

        async def work() -> None:
            nonlocal saved
            while time.monotonic() < ends_at:
                await self._call("pipeline", {})
                saved += len(load.STEPS)

        await asyncio.gather(*(work() for _ in range(load.PIPELINES)))
        return saved
