"""What people do to API keys: make, rotate and revoke them. Their role is asked here; each leaves an audit entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents import addresses, audit, keys, registry
from agents.errors import Conflict, Invalid, NotFound
from agents.models import AGENT_SCOPES, Agent, AgentStatus, ApiKey, Role, Scope, Workspace
from agents.people import Operator
from agents.texts import checked_line

LONGEST_LABEL = 100
LONGEST_OVERLAP = timedelta(days=90)

#: what a person has to be to give a scope away: nobody hands out more than they have
GIVEN_BY: Final[dict[str, Role]] = {
    Scope.READ: Role.VIEWER,
    Scope.SUBMIT: Role.OPERATOR,
    Scope.OPERATE: Role.OPERATOR,
    Scope.AGENT: Role.OPERATOR,
    Scope.ADMIN: Role.ADMIN,
    Scope.METRICS: Role.ADMIN,
}


@dataclass(frozen=True)
class Issued:
    """A key that has just been made, with its token, which cannot be had again."""

    key: ApiKey
    token: str


def of_workspace(operator: Operator) -> QuerySet[ApiKey]:
    """The keys of the agents of the workspace, the newest first."""
    return ApiKey.objects.filter(
        organization_id=operator.organization_id, agent__workspace_id=operator.workspace_id
    ).select_related("agent", "replaced_by")


def find(operator: Operator, key_id: str) -> ApiKey:
    """Return a key of the workspace.

    Raises:
        NotFound: there is none of that id, at least not here.
    """
    key = of_workspace(operator).filter(pk=key_id).first()
    if key is None:
        raise NotFound("API key not found")
    return key


def create(
    operator: Operator,
    agent: str,
    *,
    label: str = "",
    scopes: Iterable[str] = AGENT_SCOPES,
    expires_at: datetime | None = None,
) -> Issued:
    """Make a key for an agent of the workspace, by its address or name. A name that is new registers an agent.

    Raises:
        Forbidden: the person is no administrator, or may not give one of the scopes.
        Conflict: the agent is suspended or revoked.
        Invalid: no agent can have this name, there is no such scope, or the key would have expired already.
    """
    operator.require(Role.ADMIN)
    wanted = _may_give(operator, scopes)
    with transaction.atomic():
        holder = _holder(operator, agent)
        issued = _issue(
            operator,
            holder,
            label=checked_line("label", label, longest=LONGEST_LABEL),
            scopes=wanted,
            expires_at=expires_at,
        )
        _record(operator, "key.created", issued.key, scopes=issued.key.scopes, expires_at=expires_at)
    return issued


def rotate(operator: Operator, key_id: str, *, overlap: timedelta) -> Issued:
    """Make a key that takes over from another, with the same label, scopes and length of life.

    The old one goes on for as long as `overlap` says; without any it is revoked at once.

    Raises:
        NotFound, Forbidden: as above.
        Conflict: the key opens nothing any more, or has been rotated before.
        Invalid: the overlap is negative, or so long that nobody would remember.
    """
    operator.require(Role.ADMIN)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid(f"overlap: between nothing and {LONGEST_OVERLAP.days} days")
    with transaction.atomic():
        old = _locked(operator, key_id)
        now = timezone.now()
        _must_be_current(old, now)
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        issued = _issue(
            operator,
            old.agent,
            label=old.label,
            scopes=_may_give(operator, old.scopes),
            expires_at=now + lifetime if lifetime else None,
        )
        old.replaced_by = issued.key
        ends_at = min(now + overlap, old.expires_at or now + overlap)
        if overlap:
            old.expires_at = ends_at
        old.save(update_fields=["replaced_by", "expires_at"])
        if not overlap:
            keys.revoke(old)
        _record(operator, "key.rotated", old, replaced_by=issued.key.pk, expires_at=ends_at)
    return issued


def revoke(operator: Operator, key_id: str, *, reason: str = "") -> ApiKey:
    """Revoke a key, for good: what it holds open is closed. Repeating it changes nothing.

    Raises:
        NotFound, Forbidden: as above.
    """
    operator.require(Role.ADMIN)
    with transaction.atomic():
        key = _locked(operator, key_id)
        if key.revoked_at is not None:
            return key
        revoked = keys.revoke(key)
        _record(operator, "key.revoked", revoked, reason=reason)
    return revoked


def _may_give(operator: Operator, scopes: Iterable[str]) -> list[str]:
    """The scopes in their usual order, if the person may give each of them."""
    asked = set(map(str, scopes))
    if not asked:
        raise Invalid("scopes: a key without any opens nothing; choose at least one")
    for scope in asked:
        operator.require(GIVEN_BY.get(scope, Role.ADMIN))
    return [str(scope) for scope in Scope if scope in asked] + sorted(asked - set(Scope))


def _holder(operator: Operator, text: str) -> Agent:
    """The agent of the workspace that is meant, registered if it was not."""
    workspace = Workspace.objects.select_related("organization").get(pk=operator.workspace_id)
    text = text.strip()
    here = Agent.objects.filter(organization_id=operator.organization_id, workspace=workspace)
    slug = addresses.slug_of(text)
    meant = addresses.full(workspace.organization.slug, workspace.slug, slug) if slug else text
    known = here.filter(address__in={text, meant}).order_by("pk").first() if "\x00" not in text else None
    if known is not None and known.status == AgentStatus.REVOKED:
        raise Conflict("the agent is revoked; registering it anew brings it back")
    if known is not None and known.is_registered:
        return known
    registered = registry.register(workspace, text, created_by=operator.actor[:255])
    if registered.is_new:
        agent = registered.agent
        audit.record(
            operator,
            "agent.registered",
            agent.service_account_id,
            organization_id=operator.organization_id,
            target_label=agent.address,
        )
    return registered.agent


def _issue(
    operator: Operator, agent: Agent, *, label: str, scopes: list[str], expires_at: datetime | None
) -> Issued:
    key, token = keys.issue(agent, created_by=operator.actor[:255], scopes=scopes, expires_at=expires_at)
    key.label = label
    key.save(update_fields=["label"])
    return Issued(key, token)


def _locked(operator: Operator, key_id: str) -> ApiKey:
    find(operator, key_id)
    return ApiKey.objects.select_for_update(of=("self",)).select_related("agent").get(pk=key_id)


def _must_be_current(key: ApiKey, now: datetime) -> None:
    if key.revoked_at is not None:
        raise Conflict("the key is revoked")
    if key.expires_at is not None and key.expires_at <= now:
        raise Conflict("the key has expired")
    if key.replaced_by_id is not None:
        raise Conflict("the key has been rotated before; rotate the one that replaced it")


def _record(operator: Operator, action: str, key: ApiKey, *, reason: str = "", **details: object) -> None:
    audit.record(
        operator,
        action,
        key.pk,
        organization_id=operator.organization_id,
        target_label=f"{key.label or key.hint} of {key.agent.address}",
        reason=reason,
        details={"agent": key.agent.address, "hint": key.hint}
        | {name: value for name, value in details.items() if value is not None},
    )
