"""Who am I: what clients ask to find out where their key belongs."""

from __future__ import annotations

from typing import Any

from ninja import Router

from agents.access import requires
from agents.api import tenancy
from agents.api.schemas import ServiceAccountOut
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.models import Organization, Workspace
from agents.postgres import in_thread

router = Router(tags=["identity"])


@router.get("/me")
@requires()
async def me(request: AgentRequest) -> dict[str, Any]:
    """Show the service account of the calling key."""
    return await in_thread(_me, request.auth)


def _me(caller: Caller) -> dict[str, Any]:
    account = ServiceAccountOut.of(tenancy.account(caller, caller.service_account_id))
    return {
        "ok": True,
        "address": caller.address,
        "service_account": {**account.model_dump(), "address": caller.address},
        "org_id": caller.organization_id,
        "workspace_id": caller.workspace_id,
        "key_id": caller.key_id,
        "scopes": sorted(caller.scopes),
    }


@router.get("/portal/personal/context")
@requires()
async def personal_context(request: AgentRequest) -> dict[str, Any]:
    """Show the organization and the workspaces that the calling key reaches, as the CLI wants to know them."""
    return await in_thread(_personal_context, request.auth)


def _personal_context(caller: Caller) -> dict[str, Any]:
    organization = Organization.objects.get(pk=caller.organization_id)
    workspaces = Workspace.objects.filter(organization=organization)
    if not caller.is_admin:
        workspaces = workspaces.filter(pk=caller.workspace_id)
    shown = [
        {
            "workspace_id": workspace.pk,
            "org_id": organization.pk,
            "name": workspace.name,
            "slug": workspace.slug,
        }
        for workspace in workspaces
    ]
    selected = {"org_id": organization.pk, "name": organization.name, "slug": organization.slug}
    return {
        "ok": True,
        "account": {"actor_id": caller.service_account_id, "email": None, "display_name": caller.name},
        "context": {"org_id": organization.pk, "workspace_id": caller.workspace_id},
        "organizations": [selected],
        "workspaces": shown,
        "selected_organization": selected,
        "selected_workspace": next(w for w in shown if w["workspace_id"] == caller.workspace_id),
        "guidance": {},
    }
