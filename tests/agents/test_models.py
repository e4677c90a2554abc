"""What the database itself refuses, whoever writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from agents.models import Agent, ApiKey, Membership, Organization, Role, Workspace
from tests.factories import make_agent, make_key, make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db


def refused(change: Callable[[], Any]) -> str:
    """The message with which the database refuses a change."""

    @transaction.atomic
    def attempt() -> None:
        change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError) as error:
        attempt()
    return str(error.value)


@pytest.mark.parametrize("slug", ["ab", "Acme", "acme-", "-acme", "ac me", "a" * 64, "acme\n", "ácme"])
def test_slugs_fit_into_addresses(slug: str) -> None:
    organization = make_organization()

    if len(slug) < 64:
        assert "organization_slug_fits" in refused(lambda: Organization.objects.create(slug=slug, name="x"))
        assert "workspace_slug_fits" in refused(
            lambda: Workspace.objects.create(organization=organization, slug=slug, name="x")
        )


def test_a_workspace_slug_is_unique_in_its_organization_only() -> None:
    workspace = make_workspace()
    make_workspace(slug=workspace.slug)

    assert "workspace_slug_is_unique" in refused(
        lambda: make_workspace(workspace.organization, workspace.slug)
    )


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"status": "gone"}, "agent_status_is_known"),
        ({"delivery_mode": "pigeon"}, "agent_delivery_mode_is_known"),
        ({"delivery_mode": "http"}, "agent_in_http_mode_has_a_callback_url"),
        ({"max_in_flight": 0}, "agent_takes_at_least_one_delivery"),
        ({"service_account_id": "x"}, "agent_service_account_id_has_its_form"),
        ({"address": ""}, "agent_has_an_address"),
    ],
)
def test_an_agent_keeps_its_rules(fields: dict[str, Any], rule: str) -> None:
    assert rule in refused(lambda: make_agent(**fields))


def test_an_address_belongs_to_one_agent_of_an_organization() -> None:
    agent = make_agent(address="agent://x/y")
    make_agent(address="agent://x/y")

    assert "agent_address_is_unique" in refused(lambda: make_agent(agent.workspace, address="agent://x/y"))


def test_nothing_belongs_to_two_organizations() -> None:
    key, _ = make_key()
    stranger = make_organization()

    moved_agent = refused(lambda: Agent.objects.filter(pk=key.agent_id).update(organization=stranger))
    moved_key = refused(lambda: ApiKey.objects.filter(pk=key.pk).update(organization=stranger))

    assert "share_the_organization" in moved_agent
    assert "share_the_organization" in moved_key


def test_a_key_has_scopes_that_exist() -> None:
    key, _ = make_key()

    assert "api_key_scopes_are_known" in refused(
        lambda: ApiKey.objects.filter(pk=key.pk).update(scopes=["root"])
    )


def test_a_person_is_a_member_once_in_a_role_that_exists() -> None:
    organization = make_organization()
    user = make_user(organization=organization, role=Role.OPERATOR)
    membership = Membership.objects.get(user=user)

    assert "once" in refused(lambda: Membership.objects.create(user=user, organization=organization))
    assert "role_is_known" in refused(lambda: Membership.objects.filter(user=user).update(role="king"))
    assert membership.allows(Role.VIEWER)
    assert membership.allows(Role.OPERATOR)
    assert not membership.allows(Role.ADMIN)
