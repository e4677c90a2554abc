"""The first boot: what a fresh machine needs so that there is something to use."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection, transaction

from agents import keys, registry, tokens
from agents.models import ALL_SCOPES, Agent, AgentStatus, Membership, Organization, Role, Scope, Workspace

ORGANIZATION = "myorg"
WORKSPACE = "production"
OPERATOR = "operator"
ADMINISTRATOR = "admin"

NAMES = (
    "AXME_API_KEY",
    "PERDURE_ORG_ID",
    "PERDURE_WORKSPACE_ID",
    "PERDURE_ADMIN_USER",
    "PERDURE_ADMIN_PASSWORD",
)


@transaction.atomic
def bootstrap(previous: Mapping[str, str]) -> dict[str, str]:
    """Make what is missing and return the values of `NAMES`; what works already stays as it is.

    `previous` is what an earlier call returned, if anybody kept it: keys and passwords cannot be read back. The
    password is empty if an administrator has chosen another since: then it is theirs to know.
    """
    with connection.cursor() as cursor:
        # Two that boot at once would both find nothing; one waits for the other instead.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('perdure bootstrap'))")
    organization, _ = Organization.objects.get_or_create(
        slug=ORGANIZATION, defaults={"name": "My organization"}
    )
    workspace, _ = organization.workspaces.get_or_create(slug=WORKSPACE, defaults={"name": "Production"})
    operator = _operator(workspace)
    username = previous.get("PERDURE_ADMIN_USER") or ADMINISTRATOR
    return {
        "AXME_API_KEY": _key(operator, previous.get("AXME_API_KEY", "")),
        "PERDURE_ORG_ID": str(organization.pk),
        "PERDURE_WORKSPACE_ID": str(workspace.pk),
        "PERDURE_ADMIN_USER": username,
        "PERDURE_ADMIN_PASSWORD": _password(
            organization, username, previous.get("PERDURE_ADMIN_PASSWORD", "")
        ),
    }


def _operator(workspace: Workspace) -> Agent:
    """Return the service account that holds the first key."""
    operator = registry.register(
        workspace,
        OPERATOR,
        created_by="bootstrap",
        display_name="Operator",
        description="Holds the key made at the first boot.",
    ).agent
    if operator.status != AgentStatus.ACTIVE:
        operator = registry.change(operator, status=AgentStatus.ACTIVE).agent
    return operator


def _key(operator: Agent, token: str) -> str:
    """Return the token if it is still an administrator's of this organization, else a new one."""
    known = keys.valid().filter(organization=operator.organization_id, scopes__contains=[Scope.ADMIN])
    if token and known.filter(secret_hash=tokens.digest(token)).exists():
        return token
    return keys.issue(operator, created_by="bootstrap", scopes=ALL_SCOPES)[1]


def _password(organization: Organization, username: str, password: str) -> str:
    """Return the administrator's password if it can be known, making administrator and password if need be."""
    user = get_user_model().objects.select_for_update().filter(username=username).first()
    wanted = os.environ.get("PERDURE_ADMIN_PASSWORD", "")
    for candidate in filter(None, (password, wanted)):
        if user is not None and user.check_password(candidate):
            return _with_membership(user, organization, candidate)
    if user is not None and password:
        return _with_membership(user, organization, "")
    user = user or User(username=username, is_staff=True, is_superuser=True)
    chosen = wanted or password or secrets.token_urlsafe(12)
    user.set_password(chosen)
    user.save()
    return _with_membership(user, organization, chosen)


def _with_membership(user: User, organization: Organization, password: str) -> str:
    Membership.objects.get_or_create(user=user, organization=organization, defaults={"role": Role.ADMIN})
    return password
