"""Registering agents when several do it at once, and what is announced when one is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import transaction

from agents import addresses, registry, signals
from agents.models import Agent, Workspace
from agents.postgres import in_thread
from tests.factories import make_agent, make_caller, make_key, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)


async def test_of_those_who_register_a_name_at_once_one_wins(workspace: Workspace, pool: None) -> None:
    outcomes = await asyncio.gather(
        *(in_thread(registry.register, workspace, "bot", created_by=f"human:{i}") for i in range(8))
    )

    assert sorted(outcome.is_new for outcome in outcomes) == [False] * 7 + [True]
    assert len({outcome.agent.pk for outcome in outcomes}) == 1


async def test_registering_and_sending_at_once_end_with_one_registered_agent(
    workspace: Workspace, pool: None
) -> None:
    caller = await in_thread(lambda: make_caller(make_agent(workspace)))

    registered, recipient = await asyncio.gather(
        in_thread(registry.register, workspace, "bot", created_by="human:ada"),
        addresses.resolve("bot", caller=caller),
    )

    assert registered.is_new
    assert registered.agent.pk == recipient.agent_id
    assert await in_thread(lambda: Agent.objects.get(pk=recipient.agent_id).is_registered)


def test_closing_an_agent_is_announced_after_the_commit_with_its_open_keys(workspace: Workspace) -> None:
    heard: list[str] = []

    def listen(sender: object, key_ids: list[str], **kwargs: Any) -> None:
        heard.extend(key_ids)

    signals.keys_revoked.connect(listen)
    agent = make_agent(workspace)
    first, _ = make_key(agent)
    second, _ = make_key(agent)
    with transaction.atomic():
        registry.change(agent, status="suspended")
        assert heard == []
    assert sorted(heard) == sorted([first.pk, second.pk])
    with transaction.atomic():
        registry.revoke(agent)
        transaction.set_rollback(True)
    assert len(heard) == 2


def test_the_same_name_may_live_in_every_workspace(workspace: Workspace) -> None:
    staging = make_workspace(workspace.organization, "staging")

    made = [registry.register(place, "bot", created_by="human:ada") for place in (workspace, staging)]

    assert [one.agent.address for one in made] == ["agent://acme/prod/bot", "agent://acme/staging/bot"]
    assert all(one.is_new for one in made)
