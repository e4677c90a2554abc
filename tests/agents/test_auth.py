"""Keys at the door: who is let in, for how long, and at what cost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone

from agents import auth, keys, postgres, registry, tokens
from agents.errors import Forbidden, Unauthenticated
from agents.models import ALL_SCOPES, ApiKey, Scope
from agents.postgres import DatabaseUnavailable, in_thread
from tests.agents.conftest import Someone
from tests.factories import make_agent, make_caller, make_key

pytestmark = pytest.mark.django_db(transaction=True)

JWT = "eyJhbGciOiJub25lIn0.e30.x"


async def code_for(headers: dict[str, str]) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await auth.authenticate(headers, "127.0.0.1")
    return refused.value.code


async def eventually(question: Any) -> Any:
    """The first true answer, asked again and again for five seconds."""
    deadline = monotonic() + 5
    while not (answer := await in_thread(question)):
        assert monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)
    return answer


async def test_a_key_says_who_its_agent_is(agent: Someone, pool: None) -> None:
    for headers in (
        {"x-api-key": agent.token},
        {"authorization": f"Bearer {agent.token}"},
        {"authorization": f"bearer  {agent.token}"},
        {"x-api-key": agent.token, "authorization": f"Bearer {agent.token}"},
        {"x-api-key": agent.token, "authorization": "Basic dTpw"},
    ):
        caller = await auth.authenticate(headers, "127.0.0.1")
        assert (caller.address, caller.organization_slug) == ("agent://acme/prod/worker", "acme")
        assert caller.workspace_id == agent.agent.workspace_id
        assert caller.scopes == {"intents:submit", "intents:read", "agent"}


async def test_every_other_credential_is_refused_with_its_code(agent: Someone, pool: None) -> None:
    unknown = tokens.make(agent.agent.service_account_id)

    assert await code_for({}) == "missing_platform_api_key"
    assert await code_for({"x-api-key": " "}) == "missing_platform_api_key"
    assert await code_for({"authorization": "Basic dTpw"}) == "missing_platform_api_key"
    assert await code_for({"x-api-key": unknown}) == "invalid_platform_api_key"
    assert await code_for({"x-api-key": agent.token + "0"}) == "invalid_platform_api_key"
    assert await code_for({"x-api-key": "\udcff" * 20}) == "invalid_platform_api_key"
    assert await code_for({"authorization": f"Bearer {JWT}"}) == "invalid_actor_token"
    assert (
        await code_for({"x-api-key": agent.token, "authorization": f"Bearer {JWT}"}) == "invalid_actor_token"
    )


async def test_a_key_that_is_expired_revoked_or_of_a_suspended_agent_opens_nothing(
    workspace: Any, pool: None
) -> None:
    def make() -> list[str]:
        expired, expired_token = make_key(make_agent(workspace))
        ApiKey.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        revoked, revoked_token = make_key(make_agent(workspace))
        keys.revoke(revoked)
        suspended, suspended_token = make_key(make_agent(workspace))
        registry.change(suspended.agent, status="suspended")
        return [expired_token, revoked_token, suspended_token]

    for token in await in_thread(make):
        assert await code_for({"x-api-key": token}) == "invalid_platform_api_key"


async def test_a_known_key_costs_no_look_up_and_a_thousand_at_once_cost_one(
    agent: Someone, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = postgres.rows

    async def counted(query: str, parameters: Any = None) -> Any:
        asked.append(query)
        return await rows(query, parameters)

    monkeypatch.setattr(postgres, "rows", counted)
    await asyncio.gather(*(auth.authenticate(agent.headers, "127.0.0.1") for _ in range(1000)))
    await auth.authenticate(agent.headers, "127.0.0.1")

    assert asked.count(auth.FIND) == 1


async def test_a_mistyped_key_is_refused_without_the_database(
    agent: Someone, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "rows", _away)

    assert await code_for({"x-api-key": agent.token[:-1]}) == "invalid_platform_api_key"


async def test_a_revocation_in_this_process_works_at_once(
    agent: Someone, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in ("FRESH_SECONDS", "STALE_SECONDS"):  # nothing is forgotten just because time passes
        monkeypatch.setattr(auth, age, 3600)
    await auth.authenticate(agent.headers, "127.0.0.1")

    await in_thread(lambda: keys.revoke(ApiKey.objects.get(pk=agent.key_id)))

    assert await code_for(agent.headers) == "invalid_platform_api_key"


async def test_a_revocation_elsewhere_works_within_a_second(agent: Someone, pool: None) -> None:
    await auth.authenticate(agent.headers, "127.0.0.1")
    await in_thread(lambda: ApiKey.objects.filter(pk=agent.key_id).update(revoked_at=timezone.now()))

    began = monotonic()
    with pytest.raises(Unauthenticated):
        await _use_again_and_again(agent, until=began + 20)

    assert monotonic() - began < 3  # one, and what a busy machine adds


async def test_an_outage_is_not_a_wrong_key(
    agent: Someone, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "rows", _away)

    with pytest.raises(DatabaseUnavailable):
        await auth.authenticate(agent.headers, "127.0.0.1")


async def test_the_use_of_a_key_is_noted_once_a_minute(agent: Someone, pool: None) -> None:
    await auth.authenticate({**agent.headers, "user-agent": "python-httpx/0.28"}, "10.0.0.7")
    key = await eventually(lambda: ApiKey.objects.filter(pk=agent.key_id, last_used_at__isnull=False).first())
    auth.forget([agent.key_id])
    await auth.authenticate({**agent.headers, "user-agent": "curl"}, "10.0.0.8")
    await asyncio.gather(*auth._background)

    again = await in_thread(ApiKey.objects.get, pk=agent.key_id)
    assert (key.last_used_ip, key.last_used_client) == ("10.0.0.7", "python-httpx/0.28")
    assert (again.last_used_at, again.last_used_ip) == (key.last_used_at, "10.0.0.7")


async def test_a_caller_that_leaves_does_not_spoil_the_look_up_for_others(agent: Someone, pool: None) -> None:
    leaving = asyncio.create_task(auth.authenticate(agent.headers, "127.0.0.1"))
    staying = asyncio.create_task(auth.authenticate(agent.headers, "127.0.0.1"))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying).key_id == agent.key_id


async def test_the_websocket_middleware_says_who_is_there_or_why_nobody(agent: Someone, pool: None) -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)

    middleware = auth.ApiKeyMiddleware(app)
    for headers in ([(b"Authorization", b"Bearer " + agent.token.encode())], [(b"x-api-key", b"\xff")], []):
        await middleware({"type": "websocket", "headers": headers, "client": ("10.0.0.7", 1)}, None, None)

    assert seen[0]["caller"].key_id == agent.key_id
    assert [scope["auth_error"] for scope in seen] == [
        "",
        "invalid_platform_api_key",
        "missing_platform_api_key",
    ]


def test_scopes_are_required_one_of_many_and_admin_has_them_all(workspace: Any) -> None:
    reader = make_caller(make_agent(workspace), [Scope.READ])
    admin = make_caller(make_agent(workspace), [Scope.ADMIN])

    reader.require("intents:submit", "intents:read")
    admin.require("intents:operate")
    with pytest.raises(Forbidden) as refused:
        reader.require("intents:submit")
    assert refused.value.details == {"required_scopes": ["intents:submit"]}


def test_an_agent_acts_as_itself_and_an_administrator_as_anybody(workspace: Any) -> None:
    other = make_agent(workspace)
    agent = make_caller(make_agent(workspace))
    reader = make_caller(make_agent(workspace), [Scope.READ])
    admin = make_caller(make_agent(workspace), ALL_SCOPES)

    assert agent.may_act_as(agent.agent_id, workspace.pk)
    assert not agent.may_act_as(other.pk, workspace.pk)
    assert not reader.may_act_as(reader.agent_id, workspace.pk)
    assert admin.may_act_as(other.pk, workspace.pk)


def test_neither_keys_nor_callers_show_the_token(agent: Someone) -> None:
    key = ApiKey.objects.get(pk=agent.key_id)

    for text in (repr(key), str(key), repr(vars(key)), repr(make_caller(agent.agent))):
        assert agent.token not in text
        assert agent.token[-64:] not in text


async def _use_again_and_again(agent: Someone, until: float) -> None:
    while monotonic() < until:
        await auth.authenticate(agent.headers, "127.0.0.1")
        await asyncio.sleep(0.02)


async def _away(*args: Any) -> Any:
    raise DatabaseUnavailable("away")
