"""Changes of health are told of once each, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from agents import health
from agents.models import Agent, Health, MeshEvent
from tests.factories import make_agent

pytestmark = pytest.mark.django_db
Counted = Callable[[int], AbstractContextManager[None]]


def heard(agent: Agent, ago: timedelta) -> None:
    Agent.objects.filter(pk=agent.pk).update(last_heartbeat_at=Now() - ago)


def told(agent: Agent) -> list[tuple[str, str, str]]:
    events = MeshEvent.objects.filter(agent=agent, type="agent.health_changed").order_by("pk")
    return [(event.type, event.details["from"], event.details["to"]) for event in events]


def test_a_change_is_told_once() -> None:
    agent = make_agent()
    heard(agent, timedelta(seconds=1))

    assert (health.tell(), health.tell()) == (1, 0)

    assert told(agent) == [("agent.health_changed", "unknown", "healthy")]
    assert Agent.objects.get(pk=agent.pk).told_health == Health.HEALTHY


def test_whoever_is_not_heard_of_any_more_is_told_of_as_lost() -> None:
    agent = make_agent()
    heard(agent, timedelta(seconds=1))
    health.tell()

    heard(agent, timedelta(seconds=301))
    health.tell()

    assert told(agent)[1:] == [("agent.health_changed", "healthy", "unreachable")]
    [lost] = MeshEvent.objects.filter(agent=agent, type="agent.heartbeat_lost")
    assert lost.details["last_heartbeat_at"]


def test_a_kill_is_not_told_of_twice() -> None:
    agent = make_agent()
    Agent.objects.filter(pk=agent.pk).update(killed_at=Now(), killed_by="human:ada")

    assert health.tell() == 0

    assert told(agent) == []
    assert Agent.objects.get(pk=agent.pk).told_health == Health.KILLED


def test_many_changes_take_as_many_queries_as_one(django_assert_num_queries: Counted) -> None:
    agents = [make_agent() for _ in range(7)]
    for agent in agents:
        heard(agent, timedelta(seconds=1))
    for agent in agents[:3]:
        heard(agent, timedelta(seconds=400))

    # Its transaction's two ends, the look, an update for each kind of health, one insert.
    with django_assert_num_queries(6):
        assert health.tell() == 7

    assert [told(agent)[0][2] for agent in agents] == ["unreachable"] * 3 + ["healthy"] * 4
