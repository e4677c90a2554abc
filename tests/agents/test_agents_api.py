"""/v1/agents, /v1/me and what the CLI asks to find its place."""

from __future__ import annotations

import httpx
import pytest

from agents.models import Workspace
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal
from tests.agents.schemas import assert_speaks_the_protocol
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "path",
    [
        "worker",
        "acme/prod/worker",
        "agent://acme/prod/worker",
        "agent:/acme/prod/worker",
        "agent%3A%2F%2Facme%2Fprod%2Fworker",
    ],
)
async def test_an_agent_is_found_by_its_address_in_every_form(
    path: str, api: httpx.AsyncClient, agent: Someone
) -> None:
    response = await api.get(f"/v1/agents/{path}", headers=agent.headers)

    assert_speaks_the_protocol(response, "agents.get")
    shown = response.json()["agent"]
    assert shown["address"] == "agent://acme/prod/worker"
    assert shown["service_account_id"] == agent.agent.service_account_id


async def test_who_is_unknown_unregistered_or_elsewhere_is_not_found(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, stranger: Someone, workspace: Workspace
) -> None:
    await in_thread(make_agent, workspace, "accident", is_registered=False)
    staging = await in_thread(make_workspace, workspace.organization, "staging")
    await in_thread(make_agent, staging, "bot")

    for path in ("nobody", "accident", "globex/prod/operator", "acme/staging/bot"):
        response = await api.get(f"/v1/agents/{path}", headers=agent.headers)
        assert refusal(response) == (404, "agent_not_found")
        assert response.json()["detail"] == f"agent not found: {path}"
    assert (await api.get("/v1/agents/acme/staging/bot", headers=admin.headers)).status_code == 200
    assert refusal(await api.get("/v1/agents/acme/prod/worker", headers=stranger.headers))[0] == 404


async def test_what_is_no_address_is_said_to_be_none(api: httpx.AsyncClient, agent: Someone) -> None:
    for path in ("human://ada", "a//b", "%20"):
        response = await api.get(f"/v1/agents/{path}", headers=agent.headers)
        assert refusal(response) == (422, "invalid_agent_address")


async def test_the_agents_of_a_workspace_are_listed(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, stranger: Someone, workspace: Workspace
) -> None:
    staging = await in_thread(make_workspace, workspace.organization, "staging")
    await in_thread(make_agent, staging, "bot")
    await in_thread(make_agent, workspace, "accident", is_registered=False)

    response = await api.get("/v1/agents", headers=agent.headers)

    assert_speaks_the_protocol(response, "agents.list")
    addresses = [entry["address"] for entry in response.json()["agents"]]
    assert addresses == ["agent://acme/prod/operator", "agent://acme/prod/worker"]
    one = await api.get("/v1/agents", params={"limit": 1}, headers=agent.headers)
    assert len(one.json()["agents"]) == 1
    elsewhere = await api.get("/v1/agents", params={"workspace_id": str(staging.pk)}, headers=admin.headers)
    assert [entry["address"] for entry in elsewhere.json()["agents"]] == ["agent://acme/staging/bot"]
    foreign = {"workspace_id": str(stranger.agent.workspace_id)}
    assert refusal(await api.get("/v1/agents", params=foreign, headers=admin.headers)) == (404, "not_found")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "workspace_id=prod"])
async def test_a_list_is_asked_for_in_reason(query: str, api: httpx.AsyncClient, agent: Someone) -> None:
    response = await api.get(f"/v1/agents?{query}", headers=agent.headers)

    assert refusal(response) == (422, "validation_error")


async def test_a_key_learns_where_it_belongs(
    api: httpx.AsyncClient, agent: Someone, workspace: Workspace
) -> None:
    me = (await api.get("/v1/me", headers=agent.headers)).json()

    assert me["address"] == me["service_account"]["address"] == agent.agent.address
    assert (me["org_id"], me["workspace_id"]) == (str(workspace.organization_id), str(workspace.pk))
    assert me["scopes"] == ["agent", "intents:read", "intents:submit"]


async def test_the_cli_learns_organizations_and_workspaces_as_far_as_the_key_reaches(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, workspace: Workspace, stranger: Someone
) -> None:
    staging = await in_thread(make_workspace, workspace.organization, "staging")

    def seen(context: httpx.Response) -> list[str]:
        return [shown["workspace_id"] for shown in context.json()["workspaces"]]

    all_of_it = await api.get("/v1/portal/personal/context", headers=admin.headers)
    own = await api.get("/v1/portal/personal/context", headers=agent.headers)

    assert seen(all_of_it) == [str(workspace.pk), str(staging.pk)]
    assert seen(own) == [str(workspace.pk)]
    body = own.json()
    assert body["context"] == {"org_id": str(workspace.organization_id), "workspace_id": str(workspace.pk)}
    assert body["selected_workspace"]["slug"] == "prod"
    assert body["organizations"] == [body["selected_organization"]]


async def test_nothing_is_shown_without_a_key(api: httpx.AsyncClient, transactional_db: None) -> None:
    for path in ("agents", "agents/worker", "me", "portal/personal/context", "service-accounts"):
        assert refusal(await api.get(f"/v1/{path}")) == (401, "missing_platform_api_key")
