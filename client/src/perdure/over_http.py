"""Steps without an `Agent`: over HTTP, beside any client that has got hold of an intent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from perdure.client import AsyncClient, Client
from perdure.codecs import JSON, Codec
from perdure.errors import NotConfigured
from perdure.records import Checkpoint
from perdure.steps import StepsContext


def steps(client: Any, intent: Any, *, lease: str | None = None, codec: Codec = JSON) -> StepsContext:
    """Steps of an intent that some client is working on.

        for delivery in axme_client.listen("pipeline-agent"):
            with perdure.steps(axme_client, delivery["intent_id"]) as step:
                rows = step("extract", extract)

    `client` is a `Client`, an `AsyncClient`, or the public SDK's `AxmeClient`, which stays as it is. `intent` is an
    intent's id, or a delivery as `listen()` gives it. The lease under which the steps are saved is found out, where it
    is not given: once another process has been given the intent, saving raises `LeaseLost`.
    """
    if isinstance(intent, Mapping):
        lease = lease or intent.get("lease_token") or intent.get("lease")
        intent = intent["intent_id"]
    intent_id = str(intent)

    def blocking() -> HttpStore:
        if isinstance(client, AsyncClient):
            raise TypeError("an AsyncClient's steps want `async with`")
        if isinstance(client, Client):
            return HttpStore(client, intent_id, lease)
        base_url, api_key = _settings_of(client)
        return HttpStore(
            Client(base_url, api_key), intent_id, lease or _lease_of(client, intent_id), is_own=True
        )

    def awaiting() -> AsyncHttpStore:
        if isinstance(client, AsyncClient):
            return AsyncHttpStore(client, intent_id, lease)
        if isinstance(client, Client):
            other = AsyncClient(client.base_url, client.api_key)
            return AsyncHttpStore(other, intent_id, lease, is_own=True)
        base_url, api_key = _settings_of(client)
        ask = None if lease else lambda: _lease_of(client, intent_id)
        return AsyncHttpStore(AsyncClient(base_url, api_key), intent_id, lease, ask, is_own=True)

    return StepsContext(blocking, awaiting, codec)


class HttpStore:
    """Steps kept by HTTP requests that block."""

    def __init__(self, client: Client, intent_id: str, lease: str | None, *, is_own: bool = False) -> None:
        self._client = client
        self._intent_id = intent_id
        self._lease = lease
        self._is_own = is_own

    def check(self) -> None:
        """Nobody tells this store anything: it learns when it saves."""

    def known(self) -> list[Checkpoint]:
        return self._client.checkpoints.list(self._intent_id)

    def fetch(self, step: str) -> tuple[bytes, str]:
        return self._client.checkpoints.get_raw(self._intent_id, step)

    def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        return self._client.checkpoints.put(
            self._intent_id, step, content, content_type=content_type, lease=self._lease
        )

    def close(self) -> None:
        if self._is_own:
            self._client.close()


class AsyncHttpStore:
    """The same, awaited."""

    def __init__(
        self, client: AsyncClient, intent_id: str, lease: str | None, ask: Any = None, *, is_own: bool = False
    ) -> None:
        self._client = client
        self._intent_id = intent_id
        self._lease = lease
        self._ask = ask
        self._is_own = is_own

    def check(self) -> None:
        """As above."""

    async def known(self) -> list[Checkpoint]:
        if self._ask is not None:
            self._lease = await asyncio.to_thread(self._ask)
        return await self._client.checkpoints.list(self._intent_id)

    async def fetch(self, step: str) -> tuple[bytes, str]:
        return await self._client.checkpoints.get_raw(self._intent_id, step)

    async def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        return await self._client.checkpoints.put(
            self._intent_id, step, content, content_type=content_type, lease=self._lease
        )

    async def aclose(self) -> None:
        if self._is_own:
            await self._client.close()


def _settings_of(client: Any) -> tuple[str | None, str]:
    """The address and the key of a client that is not ours: on itself, or on the settings it was made with."""
    for candidate in (client, *getattr(client, "__dict__", {}).values()):
        key = getattr(candidate, "api_key", None)
        if isinstance(key, str) and key and isinstance(getattr(candidate, "base_url", None), str):
            return candidate.base_url, key
    raise NotConfigured(
        f"{type(client).__name__} does not tell its address and key; use perdure.Client(base_url, api_key) instead"
    )


def _lease_of(client: Any, intent_id: str) -> str | None:
    """The lease under which that client holds the intent: the server tells it only to the process that has it."""
    found = client.get_intent(intent_id)
    told = (found.get("intent") or found).get("lease") or {}
    token = told.get("token")
    return token if isinstance(token, str) else None
