"""The client: `Client` blocks, `AsyncClient` is awaited; both can do the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from perdure import errors, plans
from perdure.fleet import Agents, Keys
from perdure.intents import Intents
from perdure.plans import Emit, Plan, Policy, Stream
from perdure.records import Record
from perdure.runners import AsyncRunner, R_co, Server, SyncRunner, operation, streaming
from perdure.stored import Checkpoints, decoded
from perdure.threads import Thread

DEFAULT_URL = "http://127.0.0.1:8000"


def configured(base_url: str | None, api_key: str | None, **options: Any) -> Server:
    """The server that is meant: the one given, else that of the environment.

    Raises:
        errors.NotConfigured: there is no API key.
    """
    url = base_url or os.environ.get("PERDURE_URL") or os.environ.get("AXME_BASE_URL") or DEFAULT_URL
    key = api_key or os.environ.get("PERDURE_API_KEY") or os.environ.get("AXME_API_KEY") or ""
    if not key:
        raise errors.NotConfigured("no API key: give api_key, or set PERDURE_API_KEY")
    return Server(url.rstrip("/"), key, **options)


class _Client(Intents[R_co]):
    """What both clients can do."""

    def __init__(self, runner: R_co) -> None:
        super().__init__(runner)
        self.checkpoints: Checkpoints[R_co] = Checkpoints(runner)
        self.agents: Agents[R_co] = Agents(runner)
        self.keys: Keys[R_co] = Keys(runner)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return self._runner.server.base_url

    @property
    def api_key(self) -> str:
        """The key that is sent."""
        return self._runner.server.api_key

    def thread(self, thread_id: str) -> Thread[R_co]:
        """What is kept under this name: items by key, entries in order. It exists as soon as something is in it."""
        return Thread(self._runner, thread_id)

    @streaming(Record)
    def threads(self, *, prefix: str = "") -> Stream:
        """The threads of the workspace, the newest first; with `prefix`, those whose names begin with it, by name."""
        after = None
        while True:
            params = {"prefix": prefix or None, "after": after}
            body = yield from self._ask("GET", "/v1/threads", params=params)
            for thread in body["threads"]:
                yield Emit(Record(thread))
            if (after := body.get("next_after")) is None:
                return

    @operation
    def me(self) -> Plan[Record]:
        """Whose key this is: its `address`, `scopes`, `org_id`, `workspace_id`."""
        return Record((yield from self._ask("GET", "/v1/me")))

    @operation
    def apply_scenario(self, bundle: Mapping[str, Any]) -> Plan[Record]:
        """Set a scenario going; the answer has the `intent_id` of the whole."""
        return Record((yield from self._ask("POST", "/v1/scenarios/apply", json=bundle)))

    @operation
    def validate_scenario(self, bundle: Mapping[str, Any]) -> Plan[Record]:
        """What is wrong with a scenario, if anything."""
        return Record((yield from self._ask("POST", "/v1/scenarios/validate", json=bundle)))

    @operation
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | bool | None = None,
    ) -> Plan[Any]:
        """Any request, sent again until there is an answer: what JSON says, or the bytes of anything else.

        POST and PATCH get an idempotency key, so that what they do is done once; `idempotency_key=False` leaves it
        out, for what may be repeated.
        """
        asked = plans.request(
            method,
            path,
            json=json,
            content=content,
            headers=headers,
            params=params,
            idempotency_key=idempotency_key,
        )
        return decoded((yield from plans.answered(asked, self._policy)))


class Client(_Client[SyncRunner]):
    """A client that blocks. Safe to be shared by threads; close it, or use it as a context manager.

        with Client() as client:
            intent = client.submit("etl.run.v1", "worker", {"rows": 3})
            print(client.wait(intent.id).outcome())

    Address and key come from `PERDURE_URL` and `PERDURE_API_KEY` (or `AXME_BASE_URL` and `AXME_API_KEY`) where they are
    not given. What may succeed the next time is tried again for `patience` seconds, never done twice.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 60.0,
        headers: Mapping[str, str] | None = None,
        transport: Any = None,
    ) -> None:
        server = configured(base_url, api_key, timeout=timeout, headers=headers, transport=transport)
        super().__init__(SyncRunner(server, Policy(patience)))

    def close(self) -> None:
        """Close the connections to the server."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Client[AsyncRunner]):
    """The same as `Client`, to be awaited.

    async with AsyncClient() as client:
        intent = await client.submit("etl.run.v1", "worker", {"rows": 3})
        async for event in client.events(intent.id):
            print(event.type)
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 60.0,
        headers: Mapping[str, str] | None = None,
        transport: Any = None,
    ) -> None:
        server = configured(base_url, api_key, timeout=timeout, headers=headers, transport=transport)
        super().__init__(AsyncRunner(server, Policy(patience)))

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._runner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
