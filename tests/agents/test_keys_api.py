"""/v1/service-accounts/{id}/keys"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from agents import signals
from agents.models import ApiKey, AuditEntry
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal
from tests.agents.schemas import assert_speaks_the_protocol

pytestmark = pytest.mark.django_db(transaction=True)

IMPOSSIBLE: list[dict[str, Any]] = [
    {"scopes": ["root"]},
    {"scopes": []},
    {"scopes": "admin"},
    {"expires_at": "2001-01-01T00:00:00Z"},
    {"expires_at": "2999-01-01T00:00:00"},
    {"expires_at": "tomorrow"},
    {"expires_at": "9999-12-31T23:59:59-14:00"},
    {"expires_at": "0001-01-01T00:00:00+14:00"},
    {"created_by_actor_id": ""},
]


def url(someone: Someone, *rest: str) -> str:
    return "/".join(["/v1/service-accounts", someone.agent.service_account_id, "keys", *rest])


async def test_a_key_is_made_and_its_token_is_shown_once(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    response = await api.post(url(agent), json={}, headers=admin.headers)

    assert_speaks_the_protocol(response, "service_accounts.keys.create")
    body = response.json()
    token = body["api_key"]
    assert body["key"]["token"] == token
    assert body["key"]["scopes"] == ["intents:submit", "intents:read", "agent"]
    assert (await api.get("/v1/me", headers={"x-api-key": token})).json()["address"] == agent.agent.address
    listed = await api.get(url(agent), headers=admin.headers)
    assert token not in listed.text
    assert "token" not in listed.json()["keys"][0]
    key = await in_thread(ApiKey.objects.get, pk=body["key"]["key_id"])
    assert token.encode() not in bytes(key.secret_hash)


async def test_a_key_needs_no_body_and_takes_what_the_clients_send(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    for request in (
        {"headers": {**admin.headers, "content-type": "application/json"}},
        {
            "headers": admin.headers,
            "json": {"name": "demo", "description": "x", "created_by_actor_id": "ada"},
        },
    ):
        assert (await api.post(url(agent), **request)).status_code == 200  # type: ignore[arg-type]

    keys = (await api.get(url(agent), headers=admin.headers)).json()["keys"]
    assert [key["created_by_actor_id"] for key in keys[:2]] == ["ada", admin.agent.address]


async def test_administrators_choose_scopes_and_expiry(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    wanted = {"scopes": ["intents:read"], "expires_at": "2999-01-01T00:00:00Z"}

    key = (await api.post(url(agent), json=wanted, headers=admin.headers)).json()["key"]

    assert (key["scopes"], key["expires_at"]) == (["intents:read"], "2999-01-01T00:00:00Z")


async def test_what_cannot_be_is_refused_and_makes_no_key(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    before = await in_thread(ApiKey.objects.count)

    for body in IMPOSSIBLE:
        answer = await api.post(url(agent), json=body, headers=admin.headers)
        assert refusal(answer) == (422, "validation_error"), body
    assert await in_thread(ApiKey.objects.count) == before


async def test_a_revoked_key_opens_nothing_and_revoking_it_again_is_fine(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    heard: list[str] = []

    def listen(sender: object, key_ids: list[str], **kwargs: Any) -> None:
        heard.extend(key_ids)

    signals.keys_revoked.connect(listen)
    assert (await api.get("/v1/me", headers=agent.headers)).status_code == 200

    first = await api.post(url(agent, agent.key_id, "revoke"), headers=admin.headers)
    second = await api.post(url(agent, agent.key_id, "revoke"), headers=admin.headers)

    assert_speaks_the_protocol(first, "service_accounts.keys.revoke")
    assert first.json() == second.json()
    assert heard == [agent.key_id], "those who hold connections open are told, once"
    assert refusal(await api.get("/v1/me", headers=agent.headers)) == (401, "invalid_platform_api_key")


async def test_an_agent_makes_no_keys(api: httpx.AsyncClient, agent: Someone) -> None:
    assert refusal(await api.post(url(agent), json={}, headers=agent.headers)) == (403, "forbidden")
    assert refusal(await api.get(url(agent), headers=agent.headers)) == (403, "forbidden")
    revoked = await api.post(url(agent, agent.key_id, "revoke"), headers=agent.headers)
    assert refusal(revoked) == (403, "forbidden")


async def test_a_stranger_finds_neither_account_nor_key(
    api: httpx.AsyncClient, agent: Someone, stranger: Someone
) -> None:
    for response in (
        await api.post(url(agent), json={}, headers=stranger.headers),
        await api.get(url(agent), headers=stranger.headers),
        await api.post(url(agent, agent.key_id, "revoke"), headers=stranger.headers),
        # the right account, somebody else's key
        await api.post(url(stranger, agent.key_id, "revoke"), headers=stranger.headers),
    ):
        assert refusal(response) == (404, "not_found")
    assert await in_thread(lambda: ApiKey.objects.get(pk=agent.key_id).revoked_at) is None


async def test_a_suspended_account_gets_no_key(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    await api.patch(url(agent).removesuffix("/keys"), json={"status": "suspended"}, headers=admin.headers)

    assert refusal(await api.post(url(agent), json={}, headers=admin.headers)) == (409, "conflict")


async def test_making_and_revoking_a_key_is_noted_once_each(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    made = (await api.post(url(agent), json={}, headers=admin.headers)).json()["key"]["key_id"]
    for _ in range(2):
        await api.post(url(agent, made, "revoke"), headers=admin.headers)

    noted = await in_thread(
        lambda: list(AuditEntry.objects.values_list("action", "actor", "key_id", "target"))
    )
    by = (admin.agent.address, admin.key_id, made)
    assert noted == [("key.revoked", *by), ("key.created", *by)]
