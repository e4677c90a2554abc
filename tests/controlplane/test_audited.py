"""Whatever an operator or an administrator writes is in the audit log: every route and page that writes, or why not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from agents.models import ALL_SCOPES, AuditEntry, Invitation, Membership, Role, Scope, Workspace
from agents.postgres import in_thread
from controlplane import access
from intents.models import BulkAction, Intent, SavedView
from tests.agents.conftest import Someone, agent, api, pool, workspace
from tests.controlplane.audited import ADMIN, AUDITED, NOT_AUDITED, NOT_AUDITED_PAGES, PAGES
from tests.factories import make_agent, make_key, make_organization, make_user, make_workspace
from tests.intents.factories import make_intent
from tests.intents.scenario_world import make_bundle

__all__ = ["agent", "api", "pool", "workspace"]


def test_of_every_route_that_writes_it_is_said_whether_it_is_audited() -> None:
    writes = {route for route in access.ROUTES if not route.startswith("GET ")}

    assert writes == set(AUDITED) | set(NOT_AUDITED)
    assert not set(AUDITED) & set(NOT_AUDITED)


@pytest.fixture
def boss(workspace: Workspace) -> Someone:
    """A key that may everything, of an agent that has nothing to do with any intent here."""
    holder = make_agent(workspace, "boss")
    key, token = make_key(holder, ALL_SCOPES)
    return Someone(holder, key.pk, token)


@pytest.mark.django_db(transaction=True)
async def test_what_a_key_that_operates_writes_is_noted_with_the_key_and_from_where(
    api: httpx.AsyncClient, boss: Someone, agent: Someone
) -> None:
    """All routes in one go, each on what those before have left."""
    account, address = agent.agent.service_account_id, agent.agent.address.removeprefix("agent://")
    first, second, third = [await in_thread(make_intent, agent.agent) for _ in range(3)]
    longer_ago = {"older_than_hours": 1, "dry_run": False, "reason": "stale", "limit": 10}

    def age() -> None:
        Intent.objects.filter(pk=third.pk).update(updated_at=Now() - timedelta(hours=3))

    await in_thread(age)
    requests: dict[str, tuple[str, Any]] = {
        "POST /v1/service-accounts": ("", {"name": "newcomer"}),
        "PATCH /v1/service-accounts/{service_account_id}": (account, {"description": "of use"}),
        "POST /v1/service-accounts/{service_account_id}/keys": (account, {}),
        "POST /v1/service-accounts/{service_account_id}/keys/{key_id}/revoke": (account, {}),
        "POST /v1/scenarios/apply": ("", make_bundle({})),
        "POST /v1/intents/{intent_id}/controls": (str(first.pk), {"controls_patch": {"note": 1}}),
        "POST /v1/intents/{intent_id}/policy": (str(first.pk), {"grants_patch": {"note": 1}}),
        "POST /v1/intents/{intent_id}/redeliver": (str(first.pk), {}),
        "POST /v1/intents/{intent_id}/resume": (str(second.pk), {"reason": "go on"}),
        "POST /v1/intents/{intent_id}/resolve": (str(first.pk), {"status": "CANCELED", "reason": "no"}),
        "POST /v1/intents/{intent_id}/retry": (str(first.pk), {}),
        "POST /v1/intents/bulk-cancel": ("", longer_ago),
        "POST /v1/mesh/agents/{path:address}/kill": (address, {"reason": "it loops"}),
        "POST /v1/mesh/agents/{path:address}/resume": (address, {}),
        "PUT /v1/mesh/agents/{path:address}/policies/cost": (address, {"max_intents_per_day": 9}),
        "PUT /v1/mesh/agents/{path:address}/policies/action": (
            address,
            {"mode": "deny", "intent_types": ["demo.forbidden.v1"]},
        ),
        "DELETE /v1/service-accounts/{service_account_id}": (account, None),
    }
    noted = {}
    for route, (name, body) in requests.items():
        method, _, path = route.partition(" ")
        filled = path.replace("{key_id}", agent.key_id)
        for parameter in ("service_account_id", "intent_id", "path:address"):
            filled = filled.replace(f"{{{parameter}}}", name)
        before = await in_thread(last_entry)
        answer = await api.request(
            method, filled, json=body, headers={**boss.headers, "user-agent": "an operator's tool"}
        )
        assert answer.is_success, f"{route}: {answer.text}"
        for entry in await in_thread(entries, before):
            assert entry.actor == boss.agent.address
            assert entry.key_id == boss.key_id
            assert (entry.remote_addr, entry.user_agent) == ("127.0.0.1", "an operator's tool")
            noted[route] = entry.action

    assert noted == AUDITED


def last_entry() -> int:
    return int(AuditEntry.objects.values_list("pk", flat=True).first() or 0)


def entries(after: int) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(pk__gt=after).order_by("pk"))


@pytest.mark.django_db(transaction=True)
async def test_what_agents_and_senders_do_to_their_own_intents_is_not_an_operators_act(
    api: httpx.AsyncClient, agent: Someone
) -> None:
    mine, another = [await in_thread(make_intent, agent.agent) for _ in range(2)]

    for made, body in ((mine, {"status": "COMPLETED", "result": {}}), (another, {"status": "CANCELED"})):
        answer = await api.post(f"/v1/intents/{made.pk}/resolve", json=body, headers=agent.headers)
        assert answer.is_success, answer.text

    assert await in_thread(entries, 0) == []


@pytest.mark.django_db(transaction=True)
async def test_a_result_is_an_operators_act_unless_its_key_may_listen_for_the_agent(
    api: httpx.AsyncClient, workspace: Workspace, boss: Someone, agent: Someone
) -> None:
    helper = await in_thread(make_agent, workspace, "helper")
    key, token = await in_thread(make_key, helper, [Scope.OPERATE])

    for who, expected in (
        (Someone(helper, key.pk, token), ["intent.completed", "intent.completed"]),
        (boss, []),
    ):
        before = await in_thread(last_entry)
        for path, body in (("resolve", {"status": "COMPLETED", "result": {}}), ("resume", {"rows": 3})):
            made = await in_thread(make_intent, agent.agent)
            answer = await api.post(f"/v1/intents/{made.pk}/{path}", json=body, headers=who.headers)
            assert answer.is_success, answer.text
        assert [entry.action for entry in await in_thread(entries, before)] == expected


class Desk:
    """An administrator at the dashboard, and what there is to act on."""

    def __init__(self) -> None:
        self.agent = make_agent(make_workspace(make_organization("acme"), "prod"), "worker")
        organization = self.agent.organization
        self.user = make_user("ada", organization=organization, role=Role.ADMIN)
        self.client = Client(HTTP_USER_AGENT="a browser")
        self.client.force_login(self.user)
        self.colleague = Membership.objects.get(user=make_user("ben", organization=organization))
        self.key = make_key(self.agent)[0]

    def post(self, path: str, **form: Any) -> HttpResponse:
        answer: HttpResponse = cast(Any, self.client).post(f"/o/acme/prod/{path}", form)
        return answer

    def intent_id(self) -> UUID:
        return make_intent(self.agent).pk

    def bulk(self, **form: Any) -> HttpResponse:
        wanted = {"kind": "cancel", "ids": [str(self.intent_id())], "confirmed": "1", "reason": "a mistake"}
        return self.post("bulk/", **(wanted | form))


@pytest.mark.django_db
def test_every_page_that_takes_a_form_is_noted_with_the_person_and_from_where() -> None:
    desk = Desk()
    agent_page = f"agents/{desk.agent.service_account_id}/"
    member_page = f"settings/members/{desk.colleague.pk}/"
    ended = desk.intent_id()
    forms: dict[str, Callable[[], HttpResponse]] = {
        "intents/<uuid:intent_id>/cancellation/": lambda: desk.post(
            f"intents/{ended}/cancellation/", reason="a mistake"
        ),
        "intents/<uuid:intent_id>/retries/": lambda: desk.post(
            f"intents/{ended}/retries/", checkpoints="keep"
        ),
        "intents/<uuid:intent_id>/redelivery/": lambda: desk.post(f"intents/{desk.intent_id()}/redelivery/"),
        "bulk/": desk.bulk,
        "bulk/<uuid:action_id>/stop/": lambda: desk.post(f"bulk/{BulkAction.objects.latest('id').pk}/stop/"),
        "agents/<slug:service_account_id>/kill/": lambda: desk.post(f"{agent_page}kill/", reason="it loops"),
        "agents/<slug:service_account_id>/resumption/": lambda: desk.post(f"{agent_page}resumption/"),
        "keys/new/": lambda: desk.post("keys/new/", agent="worker", scopes=["agent"], expires="30"),
        "keys/<slug:key_id>/rotation/": lambda: desk.post(f"keys/{desk.key.pk}/rotation/", overlap="24"),
        "keys/<slug:key_id>/revocation/": lambda: desk.post(f"keys/{desk.key.pk}/revocation/"),
        "settings/organization/": lambda: desk.post("settings/organization/", name="Acme Inc."),
        "settings/workspaces/": lambda: desk.post("settings/workspaces/", slug="stage", name="Stage"),
        "settings/workspaces/<uuid:workspace_id>/": lambda: desk.post(
            f"settings/workspaces/{desk.agent.workspace_id}/", name="Live"
        ),
        "settings/members/": lambda: desk.post("settings/members/", username="cleo", role="viewer"),
        "settings/invitations/<int:invitation_id>/renewal/": lambda: desk.post(
            f"settings/invitations/{Invitation.objects.get().pk}/renewal/"
        ),
        "settings/invitations/<int:invitation_id>/withdrawal/": lambda: desk.post(
            f"settings/invitations/{Invitation.objects.get().pk}/withdrawal/"
        ),
        "settings/members/<int:membership_id>/role/": lambda: desk.post(
            f"{member_page}role/", role="operator"
        ),
        "settings/members/<int:membership_id>/removal/": lambda: desk.post(f"{member_page}removal/"),
    }
    noted = {}
    for page, send in forms.items():
        before = last_entry()
        answer = send()
        assert answer.status_code in (200, 302, 303), f"{page}: {answer.status_code}"
        for entry in entries(before):
            assert entry.actor == "human:ada"
            assert (entry.remote_addr, entry.user_agent) == ("127.0.0.1", "a browser")
            noted[page] = entry.action

    assert noted == PAGES


@pytest.mark.django_db
def test_every_page_that_takes_forms_is_known_here() -> None:
    desk = Desk()
    intent_id = desk.intent_id()
    view = SavedView.objects.create(
        workspace=desk.agent.workspace, user=desk.user, name="Mine", query="status=FAILED"
    )
    desk.bulk()
    named = {
        "<uuid:intent_id>": intent_id,
        "<int:view_id>": view.pk,
        "<uuid:action_id>": BulkAction.objects.latest("id").pk,
        "<slug:service_account_id>": desk.agent.service_account_id,
        "<slug:key_id>": desk.key.pk,
        "<uuid:workspace_id>": desk.agent.workspace_id,
        "<int:membership_id>": desk.colleague.pk,
        "<int:invitation_id>": 1,
        "<slug:ticket>": "x",
    }
    takes_forms = set()
    for page in access.PLACES:
        path = page
        for parameter, value in named.items():
            path = path.replace(parameter, str(value))
        assert "<" not in path, page
        if desk.post(path).status_code != 405:
            takes_forms.add(page)

    assert takes_forms == set(PAGES) | set(NOT_AUDITED_PAGES)


@pytest.mark.django_db
def test_what_superusers_write_in_the_admin_is_noted() -> None:
    client = Client(HTTP_USER_AGENT="a browser")
    client.force_login(make_user("root", is_superuser=True))
    organization = make_organization("acme")
    workspace, ben = make_workspace(organization, "prod"), make_user("ben", organization=organization)
    make_user("ada", organization=organization, role=Role.ADMIN)
    worker, cleo = make_agent(workspace, "worker"), make_user("cleo")
    key, member = make_key(worker)[0], Membership.objects.get(user=ben)
    settings = {"delivery_mode": "stream", "max_in_flight": 3, "status": "active"}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    password = {"password1": "a long winded sentence", "password2": "a long winded sentence"}
    forms: dict[str, tuple[str, Any, dict[str, Any]]] = {
        "organization add": ("agents_organization_add", None, {"slug": "globex", "name": "Globex"}),
        "organization change": ("agents_organization_change", organization.pk, {"name": "Acme Inc."}),
        "workspace add": (
            "agents_workspace_add",
            None,
            {"organization": organization.pk, "slug": "stage", "name": "Stage"},
        ),
        "workspace change": ("agents_workspace_change", workspace.pk, {"name": "Live"}),
        "membership add": (
            "agents_membership_add",
            None,
            {"user": cleo.pk, "organization": organization.pk, "role": "viewer"},
        ),
        "membership change": ("agents_membership_change", member.pk, {"role": "operator"}),
        "user change": (
            "auth_user_change",
            ben.pk,
            {"username": "ben", "email": "ben@example.com", "is_active": "on", **joined},
        ),
        "user password": ("auth_user_password_change", ben.pk, {"usable_password": "true", **password}),
        "membership delete": ("agents_membership_delete", member.pk, {"post": "yes"}),
        "agent add": ("agents_agent_add", None, {"workspace": workspace.pk, "name": "newcomer", **settings}),
        "agent change": ("agents_agent_change", worker.pk, settings),
        "apikey add": ("agents_apikey_add", None, {"agent": worker.pk, "scopes": ["agent"]}),
        "apikey revoke": (
            "agents_apikey_changelist",
            None,
            {"action": "revoke", "_selected_action": [key.pk]},
        ),
    }
    noted = {}
    for what, (page, pk, form) in forms.items():
        before = last_entry()
        answer = client.post(reverse(f"admin:{page}", args=[pk] if pk else []), form)
        assert answer.status_code in (200, 302, 303), what
        for entry in entries(before):
            assert entry.actor == "human:root"
            assert (entry.remote_addr, entry.user_agent) == ("127.0.0.1", "a browser")
            noted[what] = entry.action

    assert noted == ADMIN
    assert set(AuditEntry.objects.filter(organization=organization).values_list("actor", flat=True)) == {
        "human:root"
    }
    assert User.objects.get(pk=ben.pk).check_password("a long winded sentence")


@pytest.mark.django_db
def test_in_the_admin_too_nobody_is_deleted_and_the_last_administrator_stays() -> None:
    client = Client()
    client.force_login(make_user("root", is_superuser=True))
    ada = make_user("ada", organization=make_organization(), role=Role.ADMIN)
    member = Membership.objects.get(user=ada)

    for page, pk, form in (
        ("auth_user_delete", ada.pk, {"post": "yes"}),
        ("agents_membership_delete", member.pk, {"post": "yes"}),
        ("agents_membership_change", member.pk, {"role": "viewer"}),
    ):
        answer = client.post(reverse(f"admin:{page}", args=[pk]), form)
        assert answer.status_code in (403, 409), page
    member.refresh_from_db()
    assert member.role == Role.ADMIN
    assert not AuditEntry.objects.exclude(action__startswith="person.").exists()
