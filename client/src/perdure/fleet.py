"""Agents, their API keys, and scenarios: what operators do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from perdure import errors, plans
from perdure.plans import Plan
from perdure.records import Record
from perdure.runners import Bound, R_co, operation


class _Asking(Bound[R_co]):
    def _ask(self, method: str, path: str, **options: Any) -> Plan[dict[str, Any]]:
        return plans.json_of(plans.request(method, path, **options), self._policy)


class Agents(_Asking[R_co]):
    """The agents of the workspace."""

    @operation
    def list(self, *, workspace_id: str | None = None) -> Plan[list[Record]]:
        """The registered agents, by address."""
        body = yield from self._ask("GET", "/v1/agents", params={"workspace_id": workspace_id, "limit": 1000})
        return [Record(each) for each in body["agents"]]

    @operation
    def get(self, address: str) -> Plan[Record]:
        """An agent, by its address in any form.

        Raises:
            errors.AgentNotFound: there is none.
        """
        body = yield from self._ask("GET", f"/v1/agents/{plans.segment(address)}")
        return Record(body["agent"])

    @operation
    def register(self, /, name: str, **settings: Any) -> Plan[Record]:
        """Register an agent, or find the one that has the name already: its service account."""
        body = {"name": name, **settings}
        try:
            answer = yield from self._ask("POST", "/v1/service-accounts", json=body, idempotency_key=False)
        except errors.AlreadyExists as taken:
            answer = dict(taken.body)
        return Record(answer["service_account"])


class Keys(_Asking[R_co]):
    """The API keys of agents."""

    @operation
    def create(
        self,
        service_account_id: str,
        *,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | str | None = None,
    ) -> Plan[Record]:
        """A new key. Its `token` is told now and never again."""
        said: Mapping[str, Any] = {"scopes": scopes, "expires_at": expires_at}
        body = {name: value for name, value in said.items() if value is not None}
        answer = yield from self._ask("POST", _keys(service_account_id), json=body, idempotency_key=False)
        return Record(answer["key"])

    @operation
    def list(self, service_account_id: str) -> Plan[list[Record]]:
        """The keys of a service account, without their tokens."""
        body = yield from self._ask("GET", _keys(service_account_id))
        return [Record(each) for each in body["keys"]]

    @operation
    def revoke(self, service_account_id: str, key_id: str) -> Plan[Record]:
        """Make a key worthless, within a second."""
        body = yield from self._ask(
            "POST", f"{_keys(service_account_id)}/{plans.segment(key_id)}/revoke", json={}
        )
        return Record(body["key"])


def _keys(service_account_id: str) -> str:
    return f"/v1/service-accounts/{plans.segment(service_account_id)}/keys"
