"""Addresses: how they are read, and whom they mean to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from agents import addresses, postgres
from agents.caller import Caller
from agents.errors import AgentNotFound, InvalidAgentAddress
from agents.models import Agent, Workspace
from agents.postgres import in_thread
from tests.agents.conftest import Someone
from tests.factories import make_agent, make_caller, make_workspace

#: what a caller in acme/prod writes, and whom it means
MEANINGS = [
    ("bot", "agent://acme/prod/bot"),
    ("agent://bot", "agent://acme/prod/bot"),
    ("agent:/bot", "agent://acme/prod/bot"),
    ("agent_core", "agent://acme/prod/agent_core"),
    ("My Bot", "agent://acme/prod/my-bot"),
    ("acme/prod/bot", "agent://acme/prod/bot"),
    ("agent://acme/prod/bot", "agent://acme/prod/bot"),
    ("agent:/acme/prod/bot", "agent://acme/prod/bot"),
    ("agent://acme/bot", "agent://acme/bot"),
    ("acme/bot", "agent://acme/bot"),
    ("agent://user/0b7e", "agent://user/0b7e"),
    ("a/b/c/d", "agent://a/b/c/d"),
    ("x", "agent://acme/prod/x"),
    ("ботик", "agent://acme/prod/ботик"),
]


@pytest.fixture
def caller(workspace: Workspace) -> Caller:
    return make_caller(make_agent(workspace, "sender"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t\n",
        " bot",
        "bot ",
        "agent://",
        "agent:///bot",
        "agent://acme//bot",
        "agent://acme/prod/",
        "/bot",
        "acme/",
        "a\x00b",
        "a\nb",
        "a\ud800b",
        "a\u2028b",
        "http://acme/prod/bot",
        "human://ada",
        "agent:bot",
        "agent://agent://bot",
        "x" * 384,
        None,
        7,
    ],
)
def test_what_nobody_could_be_called_is_no_address(text: Any) -> None:
    with pytest.raises(InvalidAgentAddress):
        addresses.parse(text)


async def test_each_written_form_means_one_agent(caller: Caller, pool: None) -> None:
    for text, means in MEANINGS:
        recipient = await addresses.resolve(text, caller=caller)
        assert recipient.address == means
        assert recipient.organization_id == caller.organization_id
        assert not recipient.is_registered
        assert (await addresses.resolve(means, caller=caller)).agent_id == recipient.agent_id


async def test_a_registered_agent_is_found_as_it_is(caller: Caller, agent: Someone, pool: None) -> None:
    recipient = await addresses.resolve("worker", caller=caller)

    assert (recipient.agent_id, recipient.is_registered) == (agent.agent.pk, True)


async def test_another_workspace_of_the_organization_can_be_named(
    caller: Caller, workspace: Workspace, pool: None
) -> None:
    staging = await in_thread(make_workspace, workspace.organization, "staging")

    recipient = await addresses.resolve("agent://acme/staging/bot", caller=caller)

    assert recipient.workspace_id == staging.pk


async def test_nothing_names_another_tenant_and_nobody_learns_whether_it_exists(
    caller: Caller, stranger: Someone, pool: None
) -> None:
    messages = set()
    for text in ("agent://globex/prod/operator", "agent://globex/nowhere/x", "agent://nobody/prod/x"):
        with pytest.raises(AgentNotFound) as refused:
            await addresses.resolve(text, caller=caller)
        messages.add(str(refused.value).replace(text, "…"))

    assert len(messages) == 1


async def test_an_unknown_workspace_has_no_agents(caller: Caller, pool: None) -> None:
    with pytest.raises(AgentNotFound):
        await addresses.resolve("agent://acme/nowhere/bot", caller=caller)


async def test_a_legacy_string_is_another_agent_in_another_organization(
    caller: Caller, stranger: Someone, pool: None
) -> None:
    other = await in_thread(make_caller, stranger.agent)

    ours = await addresses.resolve("agent://globex/bot", caller=caller)
    theirs = await addresses.resolve("agent://globex/bot", caller=other)

    assert ours.agent_id != theirs.agent_id
    assert ours.organization_id == caller.organization_id


async def test_looking_does_not_create(caller: Caller, pool: None) -> None:
    assert await addresses.resolve("nobody", caller=caller, create=False) is None
    assert await addresses.resolve("agent://globex/prod/x", caller=caller, create=False) is None
    assert not await in_thread(Agent.objects.filter(name="nobody").exists)


async def test_one_bad_address_does_not_spoil_the_others(caller: Caller, pool: None) -> None:
    outcomes = await addresses.resolve_many(
        ["bot", "", "agent://globex/prod/x", "acme/prod/bot"], caller=caller
    )

    assert isinstance(outcomes[""], InvalidAgentAddress)
    assert isinstance(outcomes["agent://globex/prod/x"], AgentNotFound)
    assert outcomes["bot"] == outcomes["acme/prod/bot"]


@override_settings(PERDURE_STRICT_ADDRESSES=True)
async def test_where_addresses_are_strict_only_registered_agents_exist(
    caller: Caller, agent: Someone, workspace: Workspace, pool: None
) -> None:
    await in_thread(make_agent, workspace, "accident", is_registered=False)

    assert (await addresses.resolve("worker", caller=caller)).agent_id == agent.agent.pk
    for text in ("accident", "nobody"):
        with pytest.raises(AgentNotFound):
            await addresses.resolve(text, caller=caller)


async def test_a_second_look_within_the_second_asks_nobody(
    caller: Caller, pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await addresses.resolve("bot", caller=caller)
    monkeypatch.setattr(postgres, "rows", _unreachable)

    assert await addresses.resolve("agent://acme/prod/bot", caller=caller) == first


async def _unreachable(*args: Any) -> Any:
    raise AssertionError("the database was asked")
