"""The life of API keys: issued, shown once, revoked."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from agents import ids, signals, tokens
from agents.errors import Conflict, Invalid
from agents.models import AGENT_SCOPES, Agent, AgentStatus, ApiKey, Scope
from agents.moments import LATEST_YEAR

logger = logging.getLogger(__name__)


def valid() -> QuerySet[ApiKey]:
    """The keys that open something now."""
    return ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None, agent__status=AgentStatus.ACTIVE
    )


def issue(
    agent: Agent,
    *,
    created_by: str,
    scopes: Iterable[str] = AGENT_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Give the agent a new key. Returns it with its token, which cannot be had again.

    Raises:
        Conflict: the agent is suspended or revoked.
        Invalid: there is no such scope, or the key would have expired already, or never.
    """
    wanted = list(dict.fromkeys(map(str, scopes)))
    if unknown := set(wanted) - set(Scope):
        raise Invalid(f"scopes: unknown: {', '.join(sorted(unknown))}", details={"scopes": list(Scope)})
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("expires_at: lies in the past")
    if expires_at is not None and expires_at.year > LATEST_YEAR:
        raise Invalid("expires_at: lies too far in the future")
    with transaction.atomic():
        # Locked against a revocation at the same moment, which would not see this key.
        holder = Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        if holder.status != AgentStatus.ACTIVE:
            raise Conflict(f"the service account is {holder.status}")
        token = tokens.make(holder.service_account_id)
        key = ApiKey.objects.create(
            id=ids.api_key_id(),
            agent=holder,
            organization_id=holder.organization_id,
            secret_hash=tokens.digest(token),
            hint=tokens.hint(token),
            scopes=wanted,
            expires_at=expires_at,
            created_by=created_by,
        )
    return key, token


def revoke(key: ApiKey) -> ApiKey:
    """Revoke a key, for good. Repeating it changes nothing."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
            announce_revoked([key.pk])
        return ApiKey.objects.select_related("agent").get(pk=key.pk)


def announce_revoked(key_ids: list[str]) -> None:
    """Tell the others, once it is committed, that these keys open nothing any more."""
    if key_ids:
        transaction.on_commit(lambda: _send(key_ids))


def _send(key_ids: list[str]) -> None:
    # Robust: what is committed is revoked, whether or not somebody stumbles over the news.
    for listener, outcome in signals.keys_revoked.send_robust(ApiKey, key_ids=key_ids):
        if isinstance(outcome, Exception):
            logger.error("%r failed on the revocation of API keys", listener, exc_info=outcome)
