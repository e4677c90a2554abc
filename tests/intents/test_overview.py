"""The overview's figures are those that counting everything gives, and the tally counts each ending once."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Connection, WebProcess
from intents import candidates, ledger, overview as overviews, tallying
from intents.lifecycle import EventType
from intents.models import Event, Intent, Tally, TallyMark
from intents.overview import Overview
from intents.records import Ending, Wait
from tests.intents.factories import hold, make_delivery, make_intent, make_recipient

pytestmark = pytest.mark.django_db

ENDS = (EventType.COMPLETED, EventType.FAILED, EventType.CANCELED, EventType.TIMED_OUT)


def figures(agent: Agent) -> Overview:
    return candidates.run(overviews.read(agent.workspace_id))


def end(agent: Agent, how: EventType, *, ago: float = 0, took: float = 1) -> Intent:
    """An intent that ended so many seconds ago, after that many seconds."""
    intent = make_intent(agent)
    ledger.finish([Ending(hold(intent), how)])
    ended_at = Now() - timedelta(seconds=ago)
    Event.objects.filter(intent=intent, type=how).update(at=ended_at)
    Intent.objects.filter(pk=intent.pk).update(created_at=ended_at - timedelta(seconds=took))
    return intent


def test_an_empty_workspace_has_sixty_empty_minutes() -> None:
    found = figures(make_recipient())

    assert len(found.minutes) == 60
    assert [each.at - found.minutes[0].at for each in found.minutes] == [
        timedelta(minutes=n) for n in range(60)
    ]
    assert found.minutes[-1].at <= found.at < found.minutes[-1].at + timedelta(minutes=1)
    assert (found.open, found.waiting, found.failed_last_hour, found.ready) == (0, 0, 0, 0)
    assert (found.p50, found.p95, found.oldest_ready_seconds) == (None, None, 0.0)
    assert found.ended.total() == 0


def test_what_is_open_is_ready_later_or_waits() -> None:
    agent = make_recipient()
    make_delivery(agent, due_in=-30)
    make_delivery(agent, due_in=-10)
    make_delivery(agent, due_in=60)
    make_delivery(agent, lease_ends_in=20)
    ledger.wait([Wait(make_intent(agent).pk, "WAITING_FOR_HUMAN")])
    end(agent, EventType.COMPLETED)
    make_delivery(make_recipient())  # another tenant's

    found = figures(agent)

    assert (found.open, found.ready, found.later, found.waiting) == (5, 2, 2, 1)
    assert 30 <= found.oldest_ready_seconds < 60


def test_who_is_connected_is_counted_once_however_many_connections() -> None:
    agent = make_recipient()
    silent = make_recipient(beside=agent)
    process = WebProcess.objects.create(id=uuid4(), host="here", pid=1)
    for connected in (agent, agent, make_recipient()):
        Connection.objects.create(
            id=uuid4(), session=uuid4(), process=process, agent=connected, key_id="k", transport="sse"
        )

    found = figures(silent)

    assert (found.agents, found.agents_connected, found.connections) == (2, 1, 2)


@pytest.mark.parametrize("is_tallied", [False, True])
def test_the_minutes_are_those_that_counting_gives(is_tallied: bool) -> None:
    agent, stranger = make_recipient(), make_recipient()
    chance = random.Random(3)
    wanted: Counter[tuple[int, str]] = Counter()
    durations = []
    for _ in range(80):
        how, ago = chance.choice(ENDS), chance.uniform(6, 4000)
        took = 10 ** chance.uniform(-2, 3)
        intent = end(chance.choice((agent, agent, stranger)), how, ago=ago, took=took)
        if intent.workspace_id == agent.workspace_id:
            wanted[intent.pk.int, how.removeprefix("intent.").upper()] += 1
            if how is EventType.COMPLETED:
                durations.append((intent.pk, took))
    if is_tallied:
        while tallying.tally():
            pass
        assert Tally.objects.exists()

    found = figures(agent)

    rows = Event.objects.filter(
        intent__workspace=agent.workspace, type__in=ENDS, at__gte=found.minutes[0].at
    ).values_list("at", "status", "intent_id")
    by_minute = Counter((at.replace(second=0, microsecond=0), status) for at, status, _ in rows)
    counted = {
        (minute.at, status): number for minute in found.minutes for status, number in minute.outcomes.items()
    }
    assert counted == by_minute
    assert found.ended.total() == len(rows) < len(wanted)

    shown = {intent_id for _, status, intent_id in rows if status == "COMPLETED"}
    took_sorted = sorted(took for pk, took in durations if pk in shown)
    assert found.p50
    assert found.p95
    for value, percent in ((found.p50, 50), (found.p95, 95)):
        exact = took_sorted[math.ceil(len(took_sorted) * percent / 100) - 1]
        assert exact / 1.3 < value < exact * 1.3


def test_an_ending_is_tallied_once() -> None:
    agent = make_recipient()
    for ago in (8, 30, 100):
        end(agent, EventType.COMPLETED, ago=ago)

    while tallying.tally():
        pass
    before = sum(Tally.objects.values_list("number", flat=True))
    TallyMark.objects.update(tallied_to=Now() - timedelta(seconds=1))
    assert not tallying.tally()

    assert before in (2, 3)  # the youngest may belong to a slot that is not over
    assert figures(agent).ended.total() >= 2
    assert sum(Tally.objects.values_list("number", flat=True)) == before


def test_a_tally_after_a_long_pause_is_made_in_portions() -> None:
    agent = make_recipient()
    end(agent, EventType.FAILED, ago=1500)
    TallyMark.objects.create(tallied_to=Now() - timedelta(seconds=1800))

    runs = 0
    while tallying.tally():
        runs += 1

    assert runs >= 3
    assert [each.number for each in Tally.objects.all()] == [1]
    assert figures(agent).ended == {"FAILED": 1}


def test_old_tallies_are_forgotten() -> None:
    agent = make_recipient()
    Tally.objects.create(
        workspace=agent.workspace, slot=Now() - timedelta(hours=3), status="FAILED", bucket=1, number=1
    )

    tallying.tally()

    assert not Tally.objects.exists()


def test_dead_letters_are_the_newest_that_nobody_retried() -> None:
    agent = make_recipient()
    failed = [end(agent, EventType.FAILED) for _ in range(7)]
    Intent.objects.get(pk=failed[5].pk).retry(actor="human:ada")

    found = figures(agent)

    assert [row["intent_id"] for row in found.dead_letters] == [
        failed[number].pk for number in (6, 4, 3, 2, 1)
    ]
    assert found.failed_last_hour == 7


def test_many_who_look_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    overviews.forget()
    agent, other = make_recipient(), make_recipient()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            candidates.run(overviews.cached(agent.workspace_id))
    assert len(queries) == 3
    make_delivery(agent)
    assert candidates.run(overviews.cached(agent.workspace_id)).open == 0
    assert candidates.run(overviews.cached(other.workspace_id)).open == 0

    monkeypatch.setattr(overviews, "MAX_AGE_SECONDS", -1.0)

    assert candidates.run(overviews.cached(agent.workspace_id)).open == 1


def test_percentiles_of_nothing_and_of_one() -> None:
    assert overviews.percentile({}, 95) is None
    assert overviews.percentile({30: 1}, 50) == pytest.approx(1.12, rel=0.01)
    assert overviews.percentile({0: 50, 30: 50}, 50) == pytest.approx(0.00126, rel=0.01)
