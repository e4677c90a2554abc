"""The superusers' pages: who gets in, what is shown, what is not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from agents import tokens
from agents.models import Agent, ApiKey, Membership, Organization, Role, Workspace
from tests.factories import make_agent, make_key, make_organization, make_user, make_workspace

pytestmark = pytest.mark.django_db

MODELS = ("organization", "workspace", "membership", "agent", "apikey")
TOKEN = re.compile(r"axme_sa_sa_[0-9a-f]+_[0-9a-f]{72}")


@pytest.fixture
def browser() -> Client:
    """A superuser's."""
    client = Client()
    client.force_login(make_user("root", is_superuser=True))
    return client


def page(model: str, action: str, *args: Any) -> str:
    return reverse(f"admin:agents_{model}_{action}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_only_superusers_get_in(model: str) -> None:
    member = make_user(organization=make_organization(), role=Role.ADMIN)
    member.is_staff = True
    member.save()
    client = Client()
    client.force_login(member)

    assert client.get(page(model, "changelist")).status_code == 403
    assert client.get(page(model, "add")).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_forms_are_shown(model: str, browser: Client) -> None:
    make_key()
    Membership.objects.create(user=make_user(), organization=make_organization())

    assert browser.get(page(model, "changelist"), {"q": "a"}).status_code == 200
    assert browser.get(page(model, "add")).status_code == 200


def test_a_new_key_is_shown_once_and_its_hash_never(browser: Client) -> None:
    agent = make_agent()
    form = {"agent": agent.pk, "scopes": ["intents:read", "agent"], "expires_at_0": "", "expires_at_1": ""}

    made = browser.post(page("apikey", "add"), form)
    assert made.status_code == 303
    response = browser.get(made["Location"])

    [token] = TOKEN.findall(response.content.decode())
    assert "no-store" in response["Cache-Control"]
    key = ApiKey.objects.get(agent=agent)
    assert bytes(key.secret_hash) == tokens.digest(token)
    assert (key.scopes, key.created_by) == (["intents:read", "agent"], "human:root")
    for url in (
        made["Location"],
        page("apikey", "changelist"),
        page("apikey", "change", key.pk),
        page("apikey", "history", key.pk),
    ):
        shown = browser.get(url).content.decode()
        assert token not in shown
        assert token[-40:] not in shown
        assert bytes(key.secret_hash).hex() not in shown


def test_a_form_that_is_sent_twice_makes_one_key(browser: Client) -> None:
    fields = {"agent": make_agent().pk, "scopes": ["agent"], "expires_at_0": "", "expires_at_1": ""}
    [form] = re.findall(
        r'name="one_effect" value="([\w-]+)"', browser.get(page("apikey", "add")).content.decode()
    )

    answers = [browser.post(page("apikey", "add"), {**fields, "one_effect": form}) for _ in range(2)]

    assert ApiKey.objects.count() == 1
    assert answers[0]["Location"] == answers[1]["Location"]
    assert TOKEN.search(browser.get(answers[1]["Location"]).content.decode())


def test_nobody_else_is_shown_a_new_key(browser: Client) -> None:
    form = {"agent": make_agent().pk, "scopes": ["agent"], "expires_at_0": "", "expires_at_1": ""}
    shown = browser.post(page("apikey", "add"), form)["Location"]
    another, member = Client(), Client()
    another.force_login(make_user("another", is_superuser=True))
    insider = make_user("member")
    User.objects.filter(pk=insider.pk).update(is_staff=True)
    member.force_login(insider)

    assert not TOKEN.search(another.get(shown).content.decode())
    assert member.get(shown).status_code in (302, 403)
    assert TOKEN.search(browser.get(shown).content.decode())


def test_a_key_can_be_revoked_and_neither_edited_nor_deleted(browser: Client) -> None:
    key, _ = make_key()
    form = {"action": "revoke", "_selected_action": [key.pk]}

    assert browser.post(page("apikey", "change", key.pk), {"scopes": ["admin"]}).status_code == 403
    assert browser.post(page("apikey", "delete", key.pk), {"post": "yes"}).status_code == 403
    browser.post(page("apikey", "changelist"), form)

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "admin" not in key.scopes


def test_a_key_for_whom_none_is_due_is_refused(browser: Client) -> None:
    for fields in ({"status": "suspended"}, {"is_registered": False}):
        form = {"agent": make_agent(**fields).pk, "scopes": ["agent"]}
        assert "Only registered, active agents" in browser.post(page("apikey", "add"), form).content.decode()
    for day, objection in (("2001-01-01", "in the past"), ("9999-12-31", "too far in the future")):
        wrong = {
            "agent": make_agent().pk,
            "scopes": ["agent"],
            "expires_at_0": day,
            "expires_at_1": "00:00",
        }
        assert objection in browser.post(page("apikey", "add"), wrong).content.decode()
    assert not ApiKey.objects.exists()


def agent_form(**fields: Any) -> dict[str, Any]:
    return {"delivery_mode": "stream", "max_in_flight": 1, "status": "active", **fields}


def test_an_agent_is_registered_and_changed(browser: Client) -> None:
    workspace = make_workspace(make_organization("acme"), "prod")

    browser.post(page("agent", "add"), agent_form(workspace=workspace.pk, name="My Bot"))
    agent = Agent.objects.get()
    browser.post(
        page("agent", "change", agent.pk), agent_form(max_in_flight=4, status="suspended", address="x")
    )

    agent.refresh_from_db()
    assert (agent.address, agent.name) == ("agent://acme/prod/my-bot", "My Bot")
    assert (agent.max_in_flight, agent.status, agent.is_registered) == (4, "suspended", True)


def test_impossible_agents_are_explained(browser: Client) -> None:
    agent = make_agent()
    for fields, why in (
        ({"name": agent.name}, "is registered already"),
        ({"name": "!"}, "needs 2 to 63"),
        ({"name": "bot", "delivery_mode": "http"}, "is needed in delivery mode http"),
        ({"name": "bot", "callback_url": "http://127.0.0.1/"}, "private network"),
    ):
        form = agent_form(workspace=agent.workspace_id, **fields)
        assert why in browser.post(page("agent", "add"), form).content.decode()
    assert Agent.objects.count() == 1


def test_the_secret_of_a_callback_is_shown_once(browser: Client) -> None:
    agent = make_agent()
    form = agent_form(delivery_mode="http", callback_url="https://example.com/hook")

    shown = browser.post(page("agent", "change", agent.pk), form, follow=True).content.decode()

    agent.refresh_from_db()
    assert agent.callback_secret in shown
    assert agent.callback_secret not in browser.get(page("agent", "change", agent.pk)).content.decode()


def test_a_revoked_agent_is_only_looked_at(browser: Client) -> None:
    agent = make_agent(status="revoked")

    assert browser.get(page("agent", "change", agent.pk)).status_code == 200
    assert browser.post(page("agent", "change", agent.pk), agent_form()).status_code == 403


def test_tenants_are_made_and_renamed_and_their_slugs_stay(browser: Client) -> None:
    browser.post(page("organization", "add"), {"slug": "acme", "name": "Acme"})
    organization = Organization.objects.get()
    browser.post(page("workspace", "add"), {"organization": organization.pk, "slug": "prod", "name": "Prod"})
    workspace = Workspace.objects.get()
    browser.post(page("organization", "change", organization.pk), {"slug": "other", "name": "Acme Inc."})
    browser.post(page("workspace", "change", workspace.pk), {"slug": "other", "name": "Production"})

    organization.refresh_from_db()
    workspace.refresh_from_db()
    assert (organization.slug, organization.name) == ("acme", "Acme Inc.")
    assert (workspace.slug, workspace.name) == ("prod", "Production")


@pytest.mark.parametrize("slug", ["ab", "Acme", "acme-", "a b"])
def test_a_slug_that_fits_no_address_is_explained(slug: str, browser: Client) -> None:
    response = browser.post(page("organization", "add"), {"slug": slug, "name": "x"})

    assert "3 to 63 lower-case letters" in response.content.decode()
    assert not Organization.objects.exists()


def test_a_membership_is_given_and_taken(browser: Client) -> None:
    user, organization = make_user(), make_organization()
    form = {"user": user.pk, "organization": organization.pk, "role": "operator"}

    browser.post(page("membership", "add"), form)
    membership = Membership.objects.get(user=user)
    browser.post(page("membership", "delete", membership.pk), {"post": "yes"})

    assert membership.role == Role.OPERATOR
    assert not Membership.objects.filter(user=user).exists()
