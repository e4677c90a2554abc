"""API keys over HTTP. A token leaves once, in the answer that made its key."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from ninja import Router

from agents import audit, keys
from agents.access import requires
from agents.api import tenancy
from agents.api.schemas import IssuedKey, KeyAnswer, KeyCreated, KeyIn, KeyList, KeyOut
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.errors import NotFound
from agents.models import AGENT_SCOPES, Agent, ApiKey, Scope
from agents.postgres import in_thread

router = Router(tags=["API keys"])


@router.post("/{service_account_id}/keys", response=KeyCreated)
@requires(Scope.ADMIN)
async def create_key(request: AgentRequest, service_account_id: str, body: KeyIn | None = None) -> KeyCreated:
    """Make a key for an agent: to send, read and act as itself, unless other scopes are asked for."""
    return await in_thread(_create, request.auth, service_account_id, body or KeyIn())


def _create(caller: Caller, service_account_id: str, body: KeyIn) -> KeyCreated:
    account = tenancy.account(caller, service_account_id)
    with transaction.atomic():
        key, token = keys.issue(
            account,
            created_by=body.created_by_actor_id or caller.address[:255],
            scopes=body.scopes or AGENT_SCOPES,
            expires_at=body.expires_at,
        )
        _record(caller, "key.created", key, account, scopes=key.scopes)
    return KeyCreated(key=IssuedKey(**KeyOut.of(key).model_dump(), token=token), api_key=token)


@router.get("/{service_account_id}/keys", response=KeyList)
@requires(Scope.ADMIN)
async def list_keys(request: AgentRequest, service_account_id: str) -> KeyList:
    """List the keys of a service account, without their tokens."""
    return await in_thread(_list, request.auth, service_account_id)


def _list(caller: Caller, service_account_id: str) -> KeyList:
    account = tenancy.account(caller, service_account_id)
    now = timezone.now()
    return KeyList(
        keys=[
            KeyOut.of(key, is_expired=key.expires_at is not None and key.expires_at <= now)
            for key in account.api_keys.select_related("agent")
        ]
    )


@router.post("/{service_account_id}/keys/{key_id}/revoke", response=KeyAnswer)
@requires(Scope.ADMIN)
async def revoke_key(request: AgentRequest, service_account_id: str, key_id: str) -> KeyAnswer:
    """Revoke a key: within a second it opens nothing, and what it holds open is closed. Repeating it is fine."""
    return await in_thread(_revoke, request.auth, service_account_id, key_id)


def _revoke(caller: Caller, service_account_id: str, key_id: str) -> KeyAnswer:
    account = tenancy.account(caller, service_account_id)
    with transaction.atomic():
        key = account.api_keys.select_for_update(no_key=True).filter(pk=key_id).first()
        if key is None:
            raise NotFound("API key not found")
        if key.revoked_at is None:
            _record(caller, "key.revoked", key, account)
        return KeyAnswer(key=KeyOut.of(keys.revoke(key)))


def _record(caller: Caller, action: str, key: ApiKey, account: Agent, **details: Any) -> None:
    audit.record(
        caller,
        action,
        key.pk,
        organization_id=account.organization_id,
        target_label=f"{account.address} {key.hint}",
        details=details,
    )
