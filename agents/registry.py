"""The life of registered agents, which the protocol calls service accounts: registered, changed, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from agents import addresses, callbacks, keys, mesh
from agents.errors import Conflict, Invalid, InvalidAgentAddress
from agents.models import Agent, AgentStatus, DeliveryMode, MeshEventType, Workspace
from agents.texts import checked_line


class Settings(TypedDict, total=False):
    """What about an agent its administrators decide."""

    display_name: str
    description: str
    delivery_mode: str
    callback_url: str
    max_in_flight: int
    status: str


@dataclass(frozen=True)
class Registered:
    """An agent after it was registered or changed."""

    agent: Agent
    #: False: there was one of that name, and nothing was changed
    is_new: bool = False
    #: signs callbacks; only here when it has just been made
    callback_secret: str = ""


def registered(organization_id: UUID) -> QuerySet[Agent]:
    """The agents of an organization that somebody registered, revoked ones included."""
    return Agent.objects.filter(organization_id=organization_id, is_registered=True).select_related(
        "workspace"
    )


def register(workspace: Workspace, name: str, *, created_by: str, **wanted: Unpack[Settings]) -> Registered:
    """Register an agent under a name of its own in the workspace.

    Takes over an agent that came into being because somebody sent to its address, and revives one that was revoked: its
    address is the same, its old keys stay revoked.

    Raises:
        Invalid: no address can be made of the name, or a setting is impossible.
    """
    name = checked_line("name", _last_segment(name, workspace), longest=addresses.LONGEST)
    slug = addresses.slug_of(name)
    if slug is None:
        raise _invalid("name", "needs 2 to 63 letters, digits, '.', '_' or '-'")
    address = addresses.full(workspace.organization.slug, workspace.slug, slug)
    try:
        with transaction.atomic():
            return _register(workspace, name, address, created_by, wanted)
    except IntegrityError:  # somebody else was quicker by an instant
        with transaction.atomic():
            return _register(workspace, name, address, created_by, wanted)


def _register(workspace: Workspace, name: str, address: str, created_by: str, wanted: Settings) -> Registered:
    organization = workspace.organization
    known = (
        Agent.objects.select_for_update(no_key=True)
        .filter(organization=organization, address=address)
        .first()
    )
    if known is not None and known.is_registered and known.status != AgentStatus.REVOKED:
        return Registered(known)
    agent = known or Agent(organization=organization, workspace=workspace, address=address)
    agent.name, agent.created_by = name, created_by
    agent.is_registered, agent.status = True, AgentStatus.ACTIVE
    agent.delivery_mode, agent.callback_url, agent.callback_secret = DeliveryMode.STREAM, "", ""
    secret = _apply(agent, wanted)
    _save(agent)
    mesh.note(agent, MeshEventType.REGISTERED, actor=created_by)
    return Registered(agent, is_new=True, callback_secret=secret)


def change(agent: Agent, **wanted: Unpack[Settings]) -> Registered:
    """Change an agent's settings. Suspending or revoking it closes what its keys hold open.

    Raises:
        Conflict: it is revoked; only registering it anew brings it back.
        Invalid: a setting is impossible.
    """
    if wanted.get("status") == AgentStatus.REVOKED:
        return Registered(revoke(agent))
    with transaction.atomic():
        agent = _locked(agent)
        if agent.status == AgentStatus.REVOKED:
            raise Conflict("the service account is revoked")
        secret = _apply(agent, wanted)
        _save(agent)
        if agent.status != AgentStatus.ACTIVE:
            keys.announce_revoked(list(agent.api_keys.filter(revoked_at=None).values_list("id", flat=True)))
    return Registered(agent, callback_secret=secret)


def revoke(agent: Agent) -> Agent:
    """Revoke an agent and all its keys. Its address, and what was sent to it, remain."""
    with transaction.atomic():
        agent = _locked(agent)
        agent.status = AgentStatus.REVOKED
        _save(agent)
        open_keys = agent.api_keys.filter(revoked_at=None)
        key_ids = list(open_keys.values_list("id", flat=True))
        open_keys.update(revoked_at=Now())
        keys.announce_revoked(key_ids)
    return agent


def _locked(agent: Agent) -> Agent:
    # Not the key: who writes for the agent holds that, time and again, and would have to be waited for.
    locked = Agent.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    return locked.get(pk=agent.pk)


def _apply(agent: Agent, wanted: Settings) -> str:
    """Set what is wanted, and return the secret of the callback if there is a new one."""
    secret = ""
    if (url := wanted.get("callback_url")) and url != agent.callback_url:
        callbacks.check(url)
        agent.callback_secret = secret = callbacks.new_secret()
    for name, value in wanted.items():
        setattr(agent, name, value)
    if agent.delivery_mode == DeliveryMode.HTTP and not agent.callback_url:
        raise _invalid("callback_url", "is needed in delivery mode http")
    return secret


def _save(agent: Agent) -> None:
    """Write it with the database's clock, and read back what it says."""
    agent.updated_at = Now()
    agent.save()
    agent.refresh_from_db(fields=["created_at", "updated_at"])


def _last_segment(name: str, workspace: Workspace) -> str:
    """Return the bare name; bundles may give the full address of an agent of the same workspace."""
    if "/" not in name:
        return name
    try:
        address = addresses.parse(name)
    except InvalidAgentAddress as error:
        raise _invalid("name", error.message) from None
    if address.is_legacy or {(address.organization_slug, address.workspace_slug)} - {
        (None, None),
        (workspace.organization.slug, workspace.slug),
    }:
        raise _invalid("name", "is an address outside the workspace")
    return address.name


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(f"{field}: {why}", details={"errors": [{"loc": ["body", field], "msg": why}]})
