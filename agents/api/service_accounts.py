"""Service accounts over HTTP: agents as their administrators see them."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db import transaction
from ninja import Router

from agents import audit, registry
from agents.access import requires
from agents.api import tenancy
from agents.api.schemas import (
    ServiceAccountAnswer,
    ServiceAccountCreated,
    ServiceAccountIn,
    ServiceAccountList,
    ServiceAccountOut,
    ServiceAccountPatch,
    ServiceAccountRevoked,
)
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.errors import AlreadyExists
from agents.models import Agent, AgentStatus, Scope
from agents.postgres import in_thread

router = Router(tags=["service accounts"])


@router.post("", response=ServiceAccountCreated)
@requires(Scope.ADMIN)
async def create_service_account(request: AgentRequest, body: ServiceAccountIn) -> ServiceAccountCreated:
    """Register an agent. A name that is taken is answered 409, with the service account that has it."""
    return await in_thread(_create, request.auth, body)


def _create(caller: Caller, body: ServiceAccountIn) -> ServiceAccountCreated:
    tenancy.check_organization(caller, body.org_id)
    with transaction.atomic():
        registered = registry.register(
            tenancy.workspace(caller, body.workspace_id),
            body.name,
            created_by=body.created_by_actor_id or caller.address[:255],
            **_settings(body),
        )
        if registered.is_new:
            _record(caller, "agent.registered", registered.agent)
    account = ServiceAccountOut.of(registered.agent)
    if not registered.is_new:
        raise AlreadyExists(
            f"a service account named {registered.agent.name} already exists",
            extra={"service_account": account.model_dump(mode="json")},
        )
    return ServiceAccountCreated(
        service_account=account,
        callback_secret=registered.callback_secret or None,
        service_account_id=account.service_account_id,
        address=account.agent_address,
    )


@router.get("", response=ServiceAccountList)
@requires()
async def list_service_accounts(
    request: AgentRequest, org_id: UUID | None = None, workspace_id: UUID | None = None
) -> ServiceAccountList:
    """List the service accounts that exist: an administrator's key sees all, any other its own."""
    return await in_thread(_list, request.auth, org_id, workspace_id)


def _list(caller: Caller, org_id: UUID | None, workspace_id: UUID | None) -> ServiceAccountList:
    tenancy.check_organization(caller, org_id)
    accounts = tenancy.visible_accounts(caller).exclude(status=AgentStatus.REVOKED)
    if workspace_id is not None:
        accounts = accounts.filter(workspace=tenancy.workspace(caller, workspace_id))
    return ServiceAccountList(service_accounts=[ServiceAccountOut.of(agent) for agent in accounts])


@router.get("/{service_account_id}", response=ServiceAccountAnswer)
@requires()
async def get_service_account(request: AgentRequest, service_account_id: str) -> ServiceAccountAnswer:
    """Show a service account, also a revoked one."""
    agent = await in_thread(tenancy.account, request.auth, service_account_id)
    return ServiceAccountAnswer(service_account=ServiceAccountOut.of(agent))


@router.patch("/{service_account_id}", response=ServiceAccountAnswer)
@requires(Scope.ADMIN)
async def change_service_account(
    request: AgentRequest, service_account_id: str, body: ServiceAccountPatch
) -> ServiceAccountAnswer:
    """Change settings, or suspend, reactivate and revoke by `status`."""
    return await in_thread(_change, request.auth, service_account_id, body)


def _change(caller: Caller, service_account_id: str, body: ServiceAccountPatch) -> ServiceAccountAnswer:
    settings = _settings(body)
    with transaction.atomic():
        before = tenancy.account(caller, service_account_id)
        changed = registry.change(before, **settings)
        action = "agent.revoked" if changed.agent.status == AgentStatus.REVOKED else "agent.changed"
        _record(caller, action, changed.agent, settings=sorted(settings), status=changed.agent.status)
    return ServiceAccountAnswer(
        service_account=ServiceAccountOut.of(changed.agent), callback_secret=changed.callback_secret or None
    )


@router.delete("/{service_account_id}", response=ServiceAccountRevoked)
@requires(Scope.ADMIN)
async def delete_service_account(request: AgentRequest, service_account_id: str) -> ServiceAccountRevoked:
    """Revoke a service account and its keys, effective within a second. Repeating it is fine."""
    await in_thread(_revoke, request.auth, service_account_id)
    return ServiceAccountRevoked(service_account_id=service_account_id)


def _revoke(caller: Caller, service_account_id: str) -> None:
    with transaction.atomic():
        account = tenancy.account(caller, service_account_id)
        if account.status != AgentStatus.REVOKED:
            _record(caller, "agent.revoked", account)
        registry.revoke(account)


def _record(caller: Caller, action: str, account: Agent, **details: Any) -> None:
    audit.record(
        caller,
        action,
        account.service_account_id,
        organization_id=account.organization_id,
        target_label=account.address,
        details=details,
    )


def _settings(body: ServiceAccountIn | ServiceAccountPatch) -> registry.Settings:
    """What the body says about settings. A text that is null is emptied; anything else that is null was not said."""
    said = body.model_dump(include=set(registry.Settings.__annotations__), exclude_unset=True)
    texts = {"display_name", "description", "callback_url"}
    settings = {name: value or "" if name in texts else value for name, value in said.items()}
    return cast(registry.Settings, {name: value for name, value in settings.items() if value is not None})
