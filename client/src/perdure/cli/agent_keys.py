"""Keys for the agents of a scenario, made here and kept in scenario-agents.json beside the contexts.

The server never sends the key of an agent with a scenario: whoever applies it makes one, once, and keeps it. Several
servers may have agents of the same name, so an entry belongs to its server's address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perdure.cli import store
from perdure.cli.contexts import normal_url
from perdure.cli.exits import UsageProblem
from perdure.cli.session import Document, Session, part
from perdure.cli.text import line


@dataclass(frozen=True, slots=True)
class AgentKey:
    """The key of one agent. The order of the fields is that of the file: `grep -A2 NAME` has to show the key."""

    address: str
    api_key: str
    service_account_id: str
    key_id: str
    created_at: str
    base_url: str
    #: whether it was made now, or was there already
    is_new: bool = field(default=False, kw_only=True)

    @property
    def state(self) -> str:
        """The same in a word."""
        return "created" if self.is_new else "kept"

    def document(self, *, with_key: bool) -> Document:
        """As it is told; the key itself only to who asks for it."""
        return {name: getattr(self, name) for name in (*_STORED, "state") if with_key or name != "api_key"}


class KeyRing:
    """The keys for agents of one server."""

    def __init__(self, base_url: str, path: Path | None = None) -> None:
        self.base_url = base_url
        self.path = path or store.directory() / "scenario-agents.json"

    def find(self, address: str) -> AgentKey | None:
        """The key of the agent that bundles call so."""
        for entry in _entries(store.read(self.path)):
            if self._is_of(entry, address):
                values = [str(entry.get(name) or "") for name in _STORED]
                return AgentKey(*values, is_new=False) if all(values) else None
        return None

    def put(self, key: AgentKey) -> None:
        """Keep a key, instead of any other for the same agent."""
        entry = {name: getattr(key, name) for name in _STORED}
        with store.changing(self.path) as document:
            others = [each for each in _entries(document) if not self._is_of(each, key.address)]
            document["agents"] = [*others, entry]

    def _is_of(self, entry: Document, address: str) -> bool:
        return entry.get("address") == address and entry.get("base_url") == self.base_url


def _entries(document: Document) -> list[Document]:
    agents = document.get("agents")
    return [each for each in agents if isinstance(each, dict)] if isinstance(agents, list) else []


_STORED = ("address", "api_key", "service_account_id", "key_id", "created_at", "base_url")


def provision(session: Session, ring: KeyRing, bundle: Document) -> tuple[list[AgentKey], list[str]]:
    """Provide every agent that the bundle wants created with a key; also, what stood in the way of that."""
    wanted = _wanted(bundle)
    if not wanted:
        return [], []
    keys: list[AgentKey] = []
    missing: dict[str, Document] = {}
    for address, agent in wanted.items():
        known = ring.find(address)
        if known is not None and _is_valid(session, known):
            keys.append(known)
        else:
            missing[address] = agent
    if not missing:
        return keys, []
    me = session.get("/v1/me")
    if "admin" not in (me.get("scopes") or ()):
        names = ", ".join(missing)
        return keys, [f"this key may not make keys for agents (that needs the scope admin): none for {names}"]
    _check(session, bundle)
    accounts = _accounts(session, me)
    for address, agent in missing.items():
        key = _made(session, ring.base_url, address, agent, accounts, me)
        ring.put(key)  # each at once: what was made must not be lost if the next one fails
        keys.append(key)
    return keys, []


def _wanted(bundle: Document) -> dict[str, Document]:
    agents = bundle.get("agents")
    return {
        agent["address"]: agent
        for agent in (agents if isinstance(agents, list) else [])
        if isinstance(agent, dict)
        and agent.get("create_if_missing")
        and isinstance(agent.get("address"), str)
    }


def _is_valid(session: Session, key: AgentKey) -> bool:
    """Whether the server still knows the key. After its database was made anew, it does not."""
    from perdure import errors

    with session.client_for(key.base_url, key.api_key) as client:
        try:
            me = client.request("GET", "/v1/me")
        except errors.Unauthenticated:
            return False
    account = me.get("service_account") if isinstance(me, dict) else None
    return isinstance(account, dict) and account.get("service_account_id") == key.service_account_id


def _check(session: Session, bundle: Document) -> None:
    """Refuse a bundle that will be refused anyway, before agents are made for it.

    Raises:
        UsageProblem: it is not valid.
    """
    judged = session.post("/v1/scenarios/validate", bundle, idempotency_key=False)
    if not judged.get("valid"):
        raise UsageProblem("the scenario is not valid: " + "; ".join(map(str, judged.get("errors") or ())))


def _accounts(session: Session, me: Document) -> dict[str, Document]:
    """The service accounts of the workspace, by name and by address in both its spellings."""
    found = session.get("/v1/service-accounts", org_id=me.get("org_id"), workspace_id=me.get("workspace_id"))
    accounts: dict[str, Document] = {}
    for account in found["service_accounts"]:
        address = str(account.get("agent_address"))
        accounts |= dict.fromkeys((account["name"], address, address.removeprefix("agent://")), account)
    return accounts


def _made(
    session: Session,
    base_url: str,
    address: str,
    agent: Document,
    accounts: dict[str, Document],
    me: Document,
) -> AgentKey:
    """A new key, for a new service account if there is none of that name."""
    account = accounts.get(address) or _registered(session, agent, me)
    account_id = account["service_account_id"]
    answer = session.post(f"/v1/service-accounts/{part(account_id)}/keys", idempotency_key=False)
    key: dict[str, Any] = answer["key"]
    return AgentKey(
        address=address,
        api_key=key["token"],
        service_account_id=account_id,
        key_id=key["key_id"],
        created_at=str(key.get("created_at") or datetime.now(UTC).isoformat(timespec="seconds")),
        base_url=normal_url(base_url),
        is_new=True,
    )


def _registered(session: Session, agent: Document, me: Document) -> Document:
    """The service account of that name, made now; or the one that somebody else has made meanwhile."""
    from perdure import errors

    said = {
        "name": agent["address"],
        "display_name": agent.get("display_name"),
        "org_id": me.get("org_id"),
        "workspace_id": me.get("workspace_id"),
    }
    body = {name: value for name, value in said.items() if value}
    try:
        account = session.post("/v1/service-accounts", body, idempotency_key=False).get("service_account")
    except errors.AlreadyExists as taken:
        account = taken.body.get("service_account")
    except errors.Invalid as refused:
        raise UsageProblem(f"agent {line(agent['address'])!r} cannot be made: {refused.message}") from None
    return account if isinstance(account, dict) else {}
