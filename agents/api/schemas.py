"""What the API of the agents app takes and gives. Unknown fields in requests are ignored: real clients send some."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from ninja import Schema
from pydantic import Field, StrictInt

from agents.models import Agent, AgentStatus, ApiKey, DeliveryMode, Scope
from agents.moments import Moment

AgentState = Literal["active", "suspended", "deleted"]
#: Seen as an agent, a revoked service account is deleted.
AGENT_STATUS: dict[AgentStatus, AgentState] = {
    AgentStatus.ACTIVE: "active",
    AgentStatus.SUSPENDED: "suspended",
    AgentStatus.REVOKED: "deleted",
}

Actor = Annotated[str, Field(min_length=1, max_length=255)]
MaxInFlight = Annotated[StrictInt, Field(ge=1, le=10_000)]


class ServiceAccountIn(Schema):
    """A service account to be made. Organization and workspace default to the key's."""

    org_id: UUID | None = None
    workspace_id: UUID | None = None
    name: str = Field(min_length=2, max_length=120)
    display_name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=1024)
    created_by_actor_id: Actor | None = None
    delivery_mode: DeliveryMode | None = None
    callback_url: str | None = Field(default=None, max_length=2048)
    max_in_flight: MaxInFlight | None = None


class ServiceAccountPatch(Schema):
    """What is to change about a service account; what is missing stays."""

    display_name: str | None = Field(default=None, max_length=255)
    description: str | None = Field(default=None, max_length=1024)
    delivery_mode: DeliveryMode | None = None
    callback_url: str | None = Field(default=None, max_length=2048)
    max_in_flight: MaxInFlight | None = None
    status: AgentStatus | None = None


class ServiceAccountOut(Schema):
    """A service account. It has no field `address`: the CLI would take it for the name and make keys without end."""

    service_account_id: str
    org_id: UUID
    workspace_id: UUID
    name: str
    display_name: str | None
    description: str | None
    status: AgentStatus
    agent_address: str
    delivery_mode: DeliveryMode
    callback_url: str | None
    max_in_flight: int
    created_by_actor_id: str
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(
            service_account_id=agent.service_account_id,
            org_id=agent.organization_id,
            workspace_id=agent.workspace_id,
            name=agent.name,
            display_name=agent.display_name or None,
            description=agent.description or None,
            status=AgentStatus(agent.status),
            agent_address=agent.address,
            delivery_mode=DeliveryMode(agent.delivery_mode),
            callback_url=agent.callback_url or None,
            max_in_flight=agent.max_in_flight,
            created_by_actor_id=agent.created_by or "system",
            created_at=agent.created_at,
            updated_at=agent.updated_at,
            last_seen_at=agent.last_seen_at,
        )


class ServiceAccountAnswer(Schema):
    """A service account. `callback_secret` signs callbacks and is here only in the answer that set the callback."""

    ok: Literal[True] = True
    service_account: ServiceAccountOut
    callback_secret: str | None = None


class ServiceAccountCreated(ServiceAccountAnswer):
    """A new service account; the example runner reads these two at the top level."""

    service_account_id: str
    address: str


class ServiceAccountList(Schema):
    """The service accounts that the key may see."""

    ok: Literal[True] = True
    service_accounts: list[ServiceAccountOut]


class ServiceAccountRevoked(Schema):
    """A service account that is no more; its address and history remain."""

    ok: Literal[True] = True
    service_account_id: str
    status: Literal["revoked"] = "revoked"


class KeyIn(Schema):
    """A key to be made; everything has a default."""

    created_by_actor_id: Actor | None = None
    expires_at: Moment | None = None
    scopes: list[Scope] | None = Field(default=None, min_length=1, max_length=len(Scope))


class KeyOut(Schema):
    """A key, without its token."""

    key_id: str
    service_account_id: str
    key_hint: str
    status: Literal["active", "expired", "revoked"]
    scopes: list[str]
    created_by_actor_id: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey, *, is_expired: bool = False) -> Self:
        return cls(
            key_id=key.pk,
            service_account_id=key.agent.service_account_id,
            key_hint=key.hint,
            status="revoked" if key.revoked_at else "expired" if is_expired else "active",
            scopes=key.scopes,
            created_by_actor_id=key.created_by,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


class IssuedKey(KeyOut):
    """A new key with its token: the only answer that ever has it."""

    token: str


class KeyCreated(Schema):
    """A new key; the example runner reads the token as `api_key`."""

    ok: Literal[True] = True
    key: IssuedKey
    api_key: str


class KeyAnswer(Schema):
    """A key."""

    ok: Literal[True] = True
    key: KeyOut


class KeyList(Schema):
    """The keys of a service account, the newest first."""

    ok: Literal[True] = True
    keys: list[KeyOut]


class AgentOut(Schema):
    """A registered agent."""

    address: str
    service_account_id: str
    service_account_name: str
    display_name: str | None
    status: AgentState
    delivery_mode: DeliveryMode
    callback_url: str | None
    max_in_flight: int
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(
            address=agent.address,
            service_account_id=agent.service_account_id,
            service_account_name=agent.name,
            display_name=agent.display_name or None,
            status=AGENT_STATUS[AgentStatus(agent.status)],
            delivery_mode=DeliveryMode(agent.delivery_mode),
            callback_url=agent.callback_url or None,
            max_in_flight=agent.max_in_flight,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
            last_seen_at=agent.last_seen_at,
        )


class AgentAnswer(Schema):
    """A registered agent."""

    ok: Literal[True] = True
    agent: AgentOut


class AgentList(Schema):
    """Registered agents, by address."""

    ok: Literal[True] = True
    agents: list[AgentOut]
