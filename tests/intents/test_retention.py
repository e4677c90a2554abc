"""What is let go, what is never let go, and what finding it costs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F, Model
from django.test import override_settings

from agents.models import Agent
from intents import ledger, operations, retention, tasks
from intents.lifecycle import EventType, WaitingReason
from intents.models import Checkpoint, Delivery, Event, Intent, Standing, Timer, Workflow
from intents.records import Ending, Wait
from tests.intents.factories import hold, make_intent, make_intents, make_recipient
from tests.intents.test_claim_plan import explained, nodes, pages

pytestmark = pytest.mark.django_db

DAYS = 30
OLD, YOUNG = timedelta(days=40), timedelta(days=20)
#: Tables with a row an intent, which `retire` must not forget; what is owed is never let go.
BELONGING: set[type[Model]] = {Event, Checkpoint, Standing, Timer, Workflow}


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def aged(intent: Intent, age: timedelta, *, ended: timedelta | None = None) -> UUID:
    """The id of the same intent, made so long ago, and as long ago or later moved last."""
    made = Intent.objects.values_list("created_at", flat=True).get(pk=intent.pk) - age
    millis = int(made.timestamp() * 1000)
    known = uuid.UUID(int=millis << 80 | intent.pk.int & ((1 << 80) - 1))
    tables: set[type[Model]] = BELONGING | {Delivery}
    for model in tables:
        model._default_manager.filter(intent_id=intent.pk).update(intent_id=known)
    moved = F("updated_at") - (age if ended is None else ended)
    Intent.objects.filter(pk=intent.pk).update(id=known, created_at=made, updated_at=moved)
    return known


def make_ended(agent: Agent, event: EventType = EventType.COMPLETED) -> Intent:
    intent = make_intent(agent)
    ledger.finish([Ending(hold(intent), event, via_progress=event is EventType.COMPLETED)])
    return intent


def kept() -> set[UUID]:
    retention.retire(days=DAYS)
    return set(Intent.objects.values_list("pk", flat=True))


def test_what_ended_long_ago_goes_with_all_that_belongs_to_it(agent: Agent) -> None:
    old = [
        aged(make_ended(agent, event), OLD)
        for event in (EventType.COMPLETED, EventType.FAILED, EventType.CANCELED)
    ]
    young = aged(make_ended(agent), YOUNG)
    Checkpoint.objects.create(
        intent_id=old[0], step="a", position=1, attempt=1, content_type="text/plain", value=b"x"
    )
    Timer.objects.create(intent_id=old[0], kind="reminder", due_at="2020-01-01T00:00Z")
    Workflow.objects.create(intent_id=old[0], compile_id=uuid.uuid4(), steps=[])

    assert kept() == {young}

    for model in BELONGING:
        assert not model._default_manager.filter(intent_id__in=old).exists(), model
    assert Event.objects.filter(intent_id=young).exists()


def test_every_table_that_belongs_to_intents_is_thought_of() -> None:
    belonging = {related.related_model for related in Intent._meta.related_objects}

    assert belonging - {Intent, Delivery} == BELONGING
    text = (operations.SQL / "retire.sql").read_text()
    for model in BELONGING:
        assert f"DELETE FROM {model._meta.db_table} " in text


def test_what_is_open_stays_however_old(agent: Agent) -> None:
    ready = aged(make_intent(agent), OLD)
    waits = make_intent(agent)
    ledger.wait([Wait(waits.pk, WaitingReason.HUMAN)])
    waiting = aged(waits, OLD)

    assert kept() == {ready, waiting}


def test_what_was_made_long_ago_and_ended_lately_stays(agent: Agent) -> None:
    lately = aged(make_ended(agent), OLD, ended=YOUNG)

    assert kept() == {lately}


@pytest.mark.parametrize("link", ["parent_id", "retry_of_id"])
def test_who_has_an_open_or_younger_child_or_retry_stays(agent: Agent, link: str) -> None:
    first, second, third = (aged(make_ended(agent), OLD) for _ in range(3))
    still_open = aged(make_intent(agent), OLD)
    younger = aged(make_ended(agent), YOUNG)
    old = aged(make_ended(agent), OLD)
    for one, other in ((still_open, first), (younger, second), (old, third)):
        Intent.objects.filter(pk=one).update(**{link: other})

    assert kept() == {first, second, still_open, younger}


def test_a_child_stays_as_long_as_its_parent_is_open(agent: Agent) -> None:
    parent = aged(make_intent(agent), OLD)
    child = aged(make_ended(agent), OLD)
    Intent.objects.filter(pk=child).update(parent_id=parent)

    assert kept() == {parent, child}


def test_everything_is_kept_unless_a_setting_says_otherwise(agent: Agent) -> None:
    old = aged(make_ended(agent), OLD)

    tasks.retire()
    assert Intent.objects.filter(pk=old).exists()

    with override_settings(PERDURE_RETENTION_DAYS=DAYS):
        tasks.retire()
    assert not Intent.objects.filter(pk=old).exists()


def test_a_run_that_has_no_time_left_goes_on_behind_where_it_was(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    stays = aged(make_intent(agent), OLD)
    for _ in range(4):
        aged(make_ended(agent), OLD)

    first = retention.retire(days=DAYS, seconds=0)
    assert (first.gone, first.after is None) == (1, False)
    assert first.after is not None
    second = retention.retire(days=DAYS, after=first.after, seconds=60)

    assert (second.gone, second.after) == (3, None)
    assert set(Intent.objects.values_list("pk", flat=True)) == {stays}


def test_a_batch_reads_what_it_lets_go_and_not_what_is_stored(agent: Agent) -> None:
    make_intents(agent, 5000)
    old = [aged(make_ended(agent), OLD) for _ in range(20)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE intents_intent, intents_event, intents_delivery, intents_standing")

    plan = explained("retire", days=DAYS, after=retention.FIRST, limit=retention.BATCH)

    assert not Intent.objects.filter(pk__in=old).exists()
    scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    large = {"intents_intent", "intents_event", "intents_delivery"}
    assert [node["Relation Name"] for node in scans if node["Relation Name"] in large] == []
    assert pages(plan) < 60 * len(old)
