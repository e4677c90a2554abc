"""Addresses of agents: reading them, and finding whom they mean to a given caller.

An address is `agent://organization/workspace/name`. What the caller writes is always understood within the caller's own
organization: no address, however written, reaches into another.

- `name`, `agent://name`: the agent of that name in the caller's workspace. The SDKs strip the scheme when they listen,
  so both have to mean the same.
- `organization/workspace/name`, with or without the scheme: that agent, if the organization is the caller's.
- two segments, or more than three: a legacy string; an agent of the caller's organization is known by it as it stands.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, overload
from uuid import UUID

from django.conf import settings

from agents import ids, postgres
from agents.caller import Caller
from agents.errors import AgentNotFound, InvalidAgentAddress

SCHEME = "agent://"
LONGEST = 383
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,61}[a-z0-9]")

#: Ids of agents never change, but status and mode do: a cached one is looked up again behind the callers' backs when
#: this old,
FRESH_SECONDS = 1.0
#: and before their eyes when this old.
STALE_SECONDS = 30.0
CACHED_ADDRESSES = 10_000

FIND = """
    SELECT
        id AS agent_id, address, workspace_id, organization_id, is_registered, status, delivery_mode, name,
        max_in_flight
    FROM agents_agent
    WHERE organization_id = %(organization_id)s AND address = ANY(%(addresses)s)
"""

#: Addresses of workspaces that do not exist fall through the join.
CREATE = """
    INSERT INTO agents_agent
        (service_account_id, organization_id, workspace_id, name, address, is_registered, created_by)
    SELECT asked.service_account_id, workspace.organization_id, workspace.id, asked.name, asked.address, FALSE,
        %(created_by)s
    FROM unnest(
        %(service_account_ids)s::text[], %(workspaces)s::text[], %(names)s::text[], %(addresses)s::text[]
    ) AS asked (service_account_id, workspace_slug, name, address)
    JOIN agents_workspace AS workspace
        ON workspace.organization_id = %(organization_id)s AND workspace.slug = asked.workspace_slug
    ORDER BY asked.address
    ON CONFLICT (organization_id, address) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Address:
    """An address as written, taken apart. Slugs are None where the writer named none."""

    text: str
    organization_slug: str | None
    workspace_slug: str | None
    name: str
    #: two segments, or more than three: means nothing but itself
    is_legacy: bool = False

    def within(self, caller: Caller) -> str:
        """Return the full address that this one means to the caller.

        Raises:
            AgentNotFound: it names an organization that is not the caller's.
        """
        if self.is_legacy:
            return _fitting(SCHEME + self.text)
        if self.organization_slug not in (None, caller.organization_slug):
            raise AgentNotFound
        workspace = self.workspace_slug or caller.workspace_slug
        return full(caller.organization_slug, workspace, self.name)


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agent that an address leads to."""

    agent_id: int
    address: str
    workspace_id: UUID
    organization_id: UUID
    is_registered: bool
    status: str
    delivery_mode: str
    name: str
    max_in_flight: int


#: what was found, and when
_cache: dict[tuple[UUID, str], tuple[Recipient, float]] = {}
_refreshing: set[tuple[UUID, str]] = set()
_background: set[asyncio.Task[None]] = set()


def parse(text: object) -> Address:
    """Take an address apart.

    Raises:
        InvalidAgentAddress: nobody could ever have this address.
    """
    if not isinstance(text, str):
        raise InvalidAgentAddress("an agent address is a string")
    if not text.strip() or text != text.strip():
        raise InvalidAgentAddress("an agent address is neither empty nor surrounded by white space")
    _fitting(text)
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise InvalidAgentAddress("an agent address has no control characters")
    # Some HTTP stacks collapse the two slashes of the scheme.
    bare = text.removeprefix("agent:/").removeprefix("/") if text.startswith("agent:/") else text
    if "://" in bare or bare.startswith("agent:"):
        raise InvalidAgentAddress("an agent address is a name or begins with agent://")
    match bare.split("/"):
        case segments if not all(segment.strip() for segment in segments):
            raise InvalidAgentAddress("an agent address has no empty segments")
        case [name]:
            return Address(bare, None, None, slug_of(name) or name)
        case [organization, workspace, name]:
            return Address(bare, organization, workspace, slug_of(name) or name)
        case segments:
            return Address(bare, None, None, segments[-1], is_legacy=True)


def slug_of(name: str) -> str | None:
    """Return the last segment of the address of an agent of this name; None if none can be made of it."""
    slug = re.sub(r"[^a-z0-9._-]", "-", name.lower()).strip("._-")
    return slug if NAME.fullmatch(slug) else None


def full(organization_slug: str, workspace_slug: str, name: str) -> str:
    """Return the full address of an agent."""
    return _fitting(f"{SCHEME}{organization_slug}/{workspace_slug}/{name}")


def _fitting(address: str) -> str:
    if len(address) > LONGEST:
        raise InvalidAgentAddress(f"an agent address has at most {LONGEST} characters")
    return address


@overload
async def resolve(
    text: str, *, caller: Caller, create: Literal[True] = ..., fresh: bool = ...
) -> Recipient: ...
@overload
async def resolve(
    text: str, *, caller: Caller, create: Literal[False], fresh: bool = ...
) -> Recipient | None: ...
async def resolve(text: str, *, caller: Caller, create: bool = True, fresh: bool = False) -> Recipient | None:
    """Return whom the caller means by an address. An agent nobody has registered comes into being, unless told not to.

    Raises:
        InvalidAgentAddress: nobody could ever have this address.
        AgentNotFound: it is not in the caller's organization, or, where addresses are strict, not registered.
    """
    outcome = (await resolve_many([text], caller=caller, create=create, fresh=fresh))[text]
    if isinstance(outcome, AgentNotFound) and not create:
        return None
    if isinstance(outcome, Recipient):
        return outcome
    raise outcome


async def resolve_many(
    texts: Iterable[str], *, caller: Caller, create: bool = True, fresh: bool = False
) -> dict[str, Recipient | AgentNotFound | InvalidAgentAddress]:
    """Return whom the caller means by each address, or why nobody: one bad address does not spoil the others."""
    outcomes: dict[str, Recipient | AgentNotFound | InvalidAgentAddress] = {}
    asked: dict[str, tuple[Address, list[str]]] = {}
    for text in dict.fromkeys(texts):
        try:
            address = parse(text)
            asked.setdefault(address.within(caller), (address, []))[1].append(text)
        except InvalidAgentAddress as error:
            outcomes[text] = error
        except AgentNotFound:
            outcomes[text] = _not_found(text)
    wanted_addresses = {full: address for full, (address, _) in asked.items()}
    found = await _look_up(caller, wanted_addresses, create, fresh)
    for wanted, (_, written) in asked.items():
        recipient = found.get(wanted)
        if recipient is None or (settings.PERDURE_STRICT_ADDRESSES and not recipient.is_registered):
            outcomes.update((text, _not_found(text)) for text in written)
        else:
            outcomes.update((text, recipient) for text in written)
    return outcomes


def _not_found(text: str) -> AgentNotFound:
    """The same words for what is not there and for what is somebody else's."""
    return AgentNotFound(f"agent not found: {text}")


def forget() -> None:
    """Drop what is cached, in this process."""
    _cache.clear()


async def _look_up(
    caller: Caller, wanted: dict[str, Address], create: bool, fresh: bool
) -> dict[str, Recipient]:
    """Those of these addresses that lead somewhere: from the cache if need be a little old, so that nobody waits."""
    organization_id = caller.organization_id
    now = monotonic()
    found: dict[str, Recipient] = {}
    aging: set[str] = set()
    for address in () if fresh else wanted:
        entry = _cache.get((organization_id, address))
        if entry is not None and now - entry[1] < STALE_SECONDS:
            found[address] = entry[0]
            if now - entry[1] >= FRESH_SECONDS:
                aging.add(address)
    if aging:
        _refresh(organization_id, aging)
    if missing := wanted.keys() - found.keys():
        seen = await _find(organization_id, missing)
        if create and not settings.PERDURE_STRICT_ADDRESSES and (unknown := missing - seen.keys()):
            await _create(caller, {address: wanted[address] for address in unknown})
            seen |= await _find(organization_id, unknown)
        found |= seen
    return found


def _refresh(organization_id: UUID, addresses: set[str]) -> None:
    """Look these up again behind the callers' backs, however many of them ask: once."""
    wanted = {address for address in addresses if (organization_id, address) not in _refreshing}
    if not wanted:
        return
    keys = {(organization_id, address) for address in wanted}
    _refreshing.update(keys)

    async def look() -> None:
        try:
            gone = wanted - (await _find(organization_id, wanted)).keys()
            for address in gone:
                _cache.pop((organization_id, address), None)
        except postgres.DatabaseUnavailable:
            pass  # what is known is good for a while yet
        finally:
            _refreshing.difference_update(keys)

    task = asyncio.create_task(look(), name="addresses")
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _find(organization_id: UUID, addresses: Iterable[str]) -> dict[str, Recipient]:
    rows = await postgres.rows(FIND, {"organization_id": organization_id, "addresses": list(addresses)})
    seen = {row["address"]: Recipient(**row) for row in rows}
    if len(_cache) + len(seen) > CACHED_ADDRESSES:
        _cache.clear()
    now = monotonic()
    _cache.update({(organization_id, address): (each, now) for address, each in seen.items()})
    return seen


async def _create(caller: Caller, unknown: dict[str, Address]) -> None:
    parameters: dict[str, Any] = {
        "organization_id": caller.organization_id,
        "created_by": caller.address[:255],
        "service_account_ids": [ids.service_account_id() for _ in unknown],
        "workspaces": [address.workspace_slug or caller.workspace_slug for address in unknown.values()],
        "names": [address.name for address in unknown.values()],
        "addresses": list(unknown),
    }
    await postgres.rows(CREATE, parameters)
