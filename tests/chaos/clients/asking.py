"""One request, noted before it is made and after: what is certain of it, and whose markers the answer holds."""

from __future__ import annotations

import random
from typing import Any

import httpx

from tests.chaos.clients.markers import tenants_in
from tests.chaos.history import Journal


class Asker:
    """A tenant's way to the API, through any of its doors."""

    def __init__(
        self, journal: Journal, tenant: str, key: str, urls: list[str], chance: random.Random, patience: float
    ) -> None:
        self.journal, self.tenant, self.chance = journal, tenant, chance
        self.key = key
        self.patience = patience
        self.urls = urls
        self._https = [
            httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=patience) for url in urls
        ]

    async def close(self) -> None:
        for each in self._https:
            await each.aclose()

    def door(self) -> httpx.AsyncClient:
        return self.chance.choice(self._https)

    def see(self, content: bytes) -> None:
        """Note whose markers have been seen, if any that are not ours."""
        if (tenants := tenants_in(content)) not in ([], [self.tenant]):
            self.journal.note("seen", tenants=tenants, tenant=self.tenant)

    async def ask(
        self,
        do: str,
        method: str,
        path: str,
        *,
        facts: dict[str, Any],
        body: Any = None,
        key: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """The status (0 if there was no answer) and the body. `facts` go into the history."""
        operation = self.journal.invoke(do, **facts)
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self.door().request(method, path, json=body, headers=headers)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            operation.unknown(error=type(error).__name__)
            return 0, {}
        self.see(answer.content)
        if answer.is_success:
            operation.ok(**_certain(do, found))
        elif answer.status_code < 500:
            operation.failed(status=answer.status_code, code=_code(found))
        else:
            operation.unknown(status=answer.status_code, code=_code(found))
        return answer.status_code, found


def _code(found: dict[str, Any]) -> str:
    error = found.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _certain(do: str, found: dict[str, Any]) -> dict[str, Any]:
    """What of an answer the checker holds against the database."""
    match do:
        case "submit" | "retry":
            return {"intent": found["intent_id"]}
        case "batch":
            return {"intents": [each.get("intent_id") for each in found["results"]]}
        case "read":
            return {"status": found["intent"]["status"]}
        case "list":
            return {"intents": [row["intent_id"] for row in found["intents"]]}
        case _:
            return {}
