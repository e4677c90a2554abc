"""/v1/service-accounts"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from agents.models import Agent, Workspace
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal
from tests.agents.schemas import assert_speaks_the_protocol
from tests.factories import make_agent, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/v1/service-accounts"
IMPOSSIBLE: list[dict[str, Any]] = [
    {"name": "x"},
    {"name": "агент"},
    {"name": "a" * 121},
    {"name": "a" * 64},
    {"name": 7},
    {"name": "agent://acme/elsewhere/bot"},
    {"name": "agent://globex/prod/bot"},
    {"name": "acme/bot"},
    {"org_id": "acme"},
    {"max_in_flight": 0},
    {"max_in_flight": True},
    {"max_in_flight": 10**12},
    {"delivery_mode": "pigeon"},
    {"delivery_mode": "http"},
    {"callback_url": "ftp://example.com"},
    {"callback_url": "http://127.0.0.1/hook"},
    {"callback_url": "http://[::ffff:10.0.0.1]/"},
    {"callback_url": "http://user:secret@example.com/"},
    {"callback_url": "http://[::1/"},
    {"callback_url": "http://xn--a/"},
    {"callback_url": "http://a..example/"},
    {"description": "x" * 1025},
]


async def create(api: httpx.AsyncClient, who: Someone, **body: Any) -> httpx.Response:
    return await api.post(URL, json={"name": "bot", **body}, headers=who.headers)


async def test_an_agent_is_registered_under_an_address_of_its_own(
    api: httpx.AsyncClient, admin: Someone, workspace: Workspace
) -> None:
    response = await create(
        api,
        admin,
        org_id=str(workspace.organization_id),
        workspace_id=str(workspace.pk),
        display_name="Bot",
        created_by_actor_id="ada",
        max_in_flight=3,
        surprise=True,
    )

    assert_speaks_the_protocol(response, "service_accounts.create")
    body = response.json()
    account = body["service_account"]
    assert account["agent_address"] == body["address"] == "agent://acme/prod/bot"
    assert account["service_account_id"] == body["service_account_id"]
    assert "address" not in account, "the CLI would make a new key on every apply"
    assert (account["created_by_actor_id"], account["max_in_flight"]) == ("ada", 3)
    assert account["created_at"].endswith("Z")


async def test_organization_and_workspace_default_to_those_of_the_key(
    api: httpx.AsyncClient, admin: Someone, workspace: Workspace
) -> None:
    account = (await create(api, admin)).json()["service_account"]

    assert (account["org_id"], account["workspace_id"]) == (str(workspace.organization_id), str(workspace.pk))
    assert account["created_by_actor_id"] == admin.agent.address


async def test_a_name_that_is_taken_is_answered_with_who_has_it(
    api: httpx.AsyncClient, admin: Someone
) -> None:
    first = await create(api, admin)
    second = await create(api, admin, name="Bot", display_name="Impostor")

    assert refusal(second) == (409, "already_exists")
    assert second.json()["service_account"] == first.json()["service_account"]


async def test_registering_an_address_that_was_only_written_to_makes_it_an_agent(
    api: httpx.AsyncClient, admin: Someone, workspace: Workspace
) -> None:
    waiting = await in_thread(make_agent, workspace, "bot", is_registered=False)

    account = (await create(api, admin)).json()["service_account"]

    assert account["service_account_id"] == waiting.service_account_id
    assert await in_thread(lambda: Agent.objects.get(pk=waiting.pk).is_registered)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("My Bot", "agent://acme/prod/my-bot"),
        ("agent://acme/prod/bot", "agent://acme/prod/bot"),
        ("acme/prod/bot.v2_x", "agent://acme/prod/bot.v2_x"),
    ],
)
async def test_names_become_addresses(
    name: str, address: str, api: httpx.AsyncClient, admin: Someone
) -> None:
    assert (await create(api, admin, name=name)).json()["address"] == address


async def test_what_cannot_be_is_refused_and_changes_nothing(api: httpx.AsyncClient, admin: Someone) -> None:
    before = await in_thread(Agent.objects.count)

    for body in IMPOSSIBLE:
        assert refusal(await create(api, admin, **body)) == (422, "validation_error"), body
    assert await in_thread(Agent.objects.count) == before


async def test_organizations_and_workspaces_of_others_are_as_unknown_as_any(
    api: httpx.AsyncClient, admin: Someone, stranger: Someone
) -> None:
    for field, foreign in (
        ("org_id", stranger.agent.organization_id),
        ("workspace_id", stranger.agent.workspace_id),
    ):
        theirs = await create(api, admin, **{field: str(foreign)})
        nobodys = await create(api, admin, **{field: str(uuid4())})
        assert refusal(theirs) == refusal(nobodys) == (404, "not_found")
        assert theirs.json() == nobodys.json()


async def test_only_administrators_manage_and_the_rest_see_themselves(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    own, other = (f"{URL}/{someone.agent.service_account_id}" for someone in (agent, admin))

    assert refusal(await create(api, agent)) == (403, "forbidden")
    assert refusal(await api.patch(own, json={}, headers=agent.headers)) == (403, "forbidden")
    assert refusal(await api.delete(own, headers=agent.headers)) == (403, "forbidden")
    assert (await api.get(own, headers=agent.headers)).status_code == 200
    assert refusal(await api.get(other, headers=agent.headers)) == (404, "not_found")
    listed = (await api.get(URL, headers=agent.headers)).json()["service_accounts"]
    assert [account["name"] for account in listed] == ["worker"]


async def test_a_stranger_finds_nothing(api: httpx.AsyncClient, agent: Someone, stranger: Someone) -> None:
    url = f"{URL}/{agent.agent.service_account_id}"

    for response in (
        await api.get(url, headers=stranger.headers),
        await api.patch(url, json={"status": "suspended"}, headers=stranger.headers),
        await api.delete(url, headers=stranger.headers),
        await api.get(f"{URL}/sa_0", headers=stranger.headers),
    ):
        assert refusal(response) == (404, "not_found")
        assert response.json()["detail"] == "service account not found"
    assert await in_thread(lambda: Agent.objects.get(pk=agent.agent.pk).status) == "active"


async def test_service_accounts_are_listed_by_workspace(
    api: httpx.AsyncClient, admin: Someone, agent: Someone, workspace: Workspace, stranger: Someone
) -> None:
    staging = await in_thread(make_workspace, workspace.organization, "staging")
    await in_thread(make_agent, staging, "bot")
    await in_thread(make_agent, workspace, "accident", is_registered=False)

    async def names(**query: str) -> list[str]:
        response = await api.get(URL, params=query, headers=admin.headers)
        assert_speaks_the_protocol(response, "service_accounts.list")
        return [account["name"] for account in response.json()["service_accounts"]]

    assert await names() == ["operator", "worker", "bot"]
    assert await names(workspace_id=str(staging.pk)) == ["bot"]
    foreign = {"org_id": str(stranger.agent.organization_id)}
    assert refusal(await api.get(URL, params=foreign, headers=admin.headers)) == (404, "not_found")


async def test_settings_change_and_the_rest_stays(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    url = f"{URL}/{agent.agent.service_account_id}"

    changed = await api.patch(
        url, json={"display_name": "Worker", "max_in_flight": 5, "name": "other"}, headers=admin.headers
    )

    account = changed.json()["service_account"]
    assert (account["display_name"], account["max_in_flight"], account["name"]) == ("Worker", 5, "worker")
    assert account["updated_at"] > account["created_at"]
    emptied = await api.patch(url, json={"display_name": None, "max_in_flight": None}, headers=admin.headers)
    account = emptied.json()["service_account"]
    assert (account["display_name"], account["max_in_flight"]) == (None, 5)


async def test_the_secret_of_a_callback_is_shown_when_it_is_set_and_never_again(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    url = f"{URL}/{agent.agent.service_account_id}"
    http = {"delivery_mode": "http", "callback_url": "https://example.com/hook"}

    first = (await api.patch(url, json=http, headers=admin.headers)).json()
    second = (await api.patch(url, json=http, headers=admin.headers)).json()
    third = (await api.get(url, headers=admin.headers)).json()

    assert first["callback_secret"].startswith("whsec_")
    assert second["callback_secret"] is third["callback_secret"] is None
    alone = await api.patch(url, json={"callback_url": None}, headers=admin.headers)
    assert refusal(alone) == (422, "validation_error")


async def test_a_suspended_agent_is_locked_out_until_it_is_active_again(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    url = f"{URL}/{agent.agent.service_account_id}"
    assert (await api.get("/v1/me", headers=agent.headers)).status_code == 200

    await api.patch(url, json={"status": "suspended"}, headers=admin.headers)
    assert refusal(await api.get("/v1/me", headers=agent.headers)) == (401, "invalid_platform_api_key")
    await api.patch(url, json={"status": "active"}, headers=admin.headers)
    assert (await api.get("/v1/me", headers=agent.headers)).status_code == 200


async def test_a_deleted_account_loses_its_keys_and_keeps_its_address(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    url = f"{URL}/{agent.agent.service_account_id}"
    assert (await api.get("/v1/me", headers=agent.headers)).status_code == 200

    for _ in range(2):
        gone = await api.delete(url, headers=admin.headers)
        assert gone.json() == {
            "ok": True,
            "service_account_id": agent.agent.service_account_id,
            "status": "revoked",
        }

    assert refusal(await api.get("/v1/me", headers=agent.headers)) == (401, "invalid_platform_api_key")
    shown = await api.get(url, headers=admin.headers)
    assert_speaks_the_protocol(shown, "service_accounts.get")
    assert shown.json()["service_account"]["status"] == "revoked"
    assert (await api.get("/v1/agents/worker", headers=admin.headers)).json()["agent"]["status"] == "deleted"
    assert refusal(await api.patch(url, json={"status": "active"}, headers=admin.headers)) == (
        409,
        "conflict",
    )
    listed = (await api.get(URL, headers=admin.headers)).json()["service_accounts"]
    assert [account["name"] for account in listed] == ["operator"]


async def test_registering_a_deleted_name_anew_revives_it_without_its_old_keys(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    await api.delete(f"{URL}/{agent.agent.service_account_id}", headers=admin.headers)

    revived = (await create(api, admin, name="worker")).json()

    assert revived["service_account_id"] == agent.agent.service_account_id
    assert revived["service_account"]["status"] == "active"
    assert refusal(await api.get("/v1/me", headers=agent.headers)) == (401, "invalid_platform_api_key")
