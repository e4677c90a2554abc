"""Actions on many intents: what is asked first, what is done, and what happens to it when something is in its way."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import pytest
from django.db.models.functions import Now

from agents.errors import Forbidden, Invalid
from agents.models import Agent, AuditEntry, Membership, Role
from agents.people import Operator
from intents import bulk_actions, bulk_work
from intents.bulk_actions import ActionNotFound, ActionOver, NotConfirmed
from intents.models import BulkAction, Delivery, Intent
from tests.intents.factories import make_delivery, make_intent, make_intents, make_recipient
from tests.intents.people import make_operator
from tests.intents.racing import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(db: None) -> Agent:
    return make_recipient()


@pytest.fixture
def alice(agent: Agent) -> Operator:
    return make_operator(agent)


def statuses(agent: Agent) -> set[str]:
    return set(Intent.objects.filter(recipient=agent).values_list("status", flat=True))


def to_all(alice: Operator, kind: str, query: str = "", reason: str = "bulk") -> BulkAction:
    plan = bulk_actions.plan(alice, kind, query=query)
    return bulk_actions.begin(alice, plan, reason=reason, typed=plan.phrase)


def finish(action: BulkAction) -> BulkAction:
    while bulk_work.advance(action.pk):
        pass
    action.refresh_from_db()
    return action


def test_five_thousand_are_canceled_in_seconds(agent: Agent, alice: Operator) -> None:
    make_intents(agent, 5_000)
    plan = bulk_actions.plan(alice, "cancel", query="")
    assert (plan.expected, plan.is_estimate, plan.phrase) == (5_000, False, "cancel 5000")
    started = monotonic()

    action = finish(bulk_actions.begin(alice, plan, reason="spring cleaning", typed="Cancel  5000"))

    assert monotonic() - started < 60
    assert (action.state, action.succeeded, action.failed) == ("finished", 5_000, 0)
    assert statuses(agent) == {"CANCELED"}
    entries = list(AuditEntry.objects.order_by("id"))
    assert [entries[0].action, entries[-1].action] == ["bulk.started", "bulk.finished"]
    named = [each for entry in entries[1:-1] for each in entry.details["intents"]]
    assert len(set(named)) == len(named) == 5_000
    assert {(entry.action, entry.actor, entry.reason) for entry in entries[1:-1]} == {
        ("intent.canceled", alice.actor, "spring cleaning")
    }


def test_more_than_a_hundred_are_confirmed_by_typing(agent: Agent, alice: Operator) -> None:
    make_intents(agent, 101)
    plan = bulk_actions.plan(alice, "cancel", query="")

    for typed in ("", "cancel", "cancel 100"):
        with pytest.raises(NotConfirmed):
            bulk_actions.begin(alice, plan, reason="x", typed=typed)

    assert not BulkAction.objects.exists()


def test_what_comes_later_is_left_alone(agent: Agent, alice: Operator) -> None:
    make_intents(agent, 3)
    action = to_all(alice, "cancel")
    later = make_intent(agent)

    finish(action)

    later.refresh_from_db()
    assert later.status == "SUBMITTED"
    assert BulkAction.objects.get().succeeded == 3


def test_a_filter_means_no_more_than_it_says_nor_what_cannot_be_done_anyway(
    agent: Agent, alice: Operator
) -> None:
    wanted = make_intents(agent, 3, intent_type="demo.wanted.v1")
    ended = make_intent(agent, intent_type="demo.wanted.v1")
    ended.cancel(actor="test")
    make_intents(agent, 2)

    action = finish(to_all(alice, "cancel", "type=demo.wanted.v1"))

    assert (action.expected, action.succeeded, action.failed) == (3, 3, 0)
    canceled = Intent.objects.filter(status="CANCELED").values_list("pk", flat=True)
    assert set(canceled) == {*wanted, ended.pk}


def test_nothing_that_could_be_done_is_not_everything(agent: Agent, alice: Operator) -> None:
    make_intents(agent, 2)

    plan = bulk_actions.plan(alice, "cancel", query="status=COMPLETED")

    assert plan.expected == 0
    with pytest.raises(Invalid):
        bulk_actions.begin(alice, plan, reason="x")


def test_chosen_ones_that_cannot_be_changed_are_listed_with_why(agent: Agent, alice: Operator) -> None:
    one, ended, foreign = make_intent(agent), make_intent(agent), make_intent(make_recipient())
    ended.cancel(actor="test")
    plan = bulk_actions.plan(alice, "cancel", ids=[one.pk, ended.pk, foreign.pk])

    action = finish(bulk_actions.begin(alice, plan, reason="x"))

    assert (action.succeeded, action.failed) == (1, 2)
    assert set(action.failures.values_list("intent_id", "code")) == {
        (ended.pk, "intent_terminal"),
        (foreign.pk, "not_found"),
    }
    foreign.refresh_from_db()
    assert foreign.status == "SUBMITTED"


def test_ended_ones_are_retried_once_each(agent: Agent, alice: Operator) -> None:
    ids = make_intents(agent, 4)
    for intent in Intent.objects.all():
        intent.cancel(actor="test")

    action = finish(to_all(alice, "retry"))

    assert (action.succeeded, action.failed) == (4, 0)
    retried = Intent.objects.filter(retry_of__in=ids)
    assert sorted(each.retry_of_id for each in retried if each.retry_of_id) == sorted(ids)
    [entry] = AuditEntry.objects.filter(action="intent.retried")
    assert set(entry.details["intents"]) == {str(each) for each in ids}


def test_leased_and_later_ones_are_redelivered(agent: Agent, alice: Operator) -> None:
    leased, later = make_delivery(agent, lease_ends_in=60), make_delivery(agent, due_in=600)

    action = finish(to_all(alice, "redeliver"))

    assert action.succeeded == 2
    assert not Delivery.objects.filter(lease_token__isnull=False).exists()
    assert set(Delivery.objects.filter(due_at__lte=Now())) == {leased, later}


def test_a_stopped_action_does_no_more_and_undoes_nothing(
    agent: Agent, alice: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_work, "CHUNK", 10)
    make_intents(agent, 30)
    action = to_all(alice, "cancel")
    assert bulk_work.advance(action.pk)

    bulk_actions.stop(alice, action.pk)

    action = finish(action)
    assert (action.state, action.succeeded, action.stopped_by) == ("stopped", 10, alice.username)
    assert Intent.objects.filter(status="CANCELED").count() == 10
    with pytest.raises(ActionOver):
        bulk_actions.stop(alice, action.pk)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda members: members.delete(), "is not a member any more"),
        (lambda members: members.update(role=Role.VIEWER), "is a viewer now"),
    ],
)
def test_it_stops_when_whoever_asked_may_not_any_more(
    agent: Agent,
    alice: Operator,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., object],
    said: str,
) -> None:
    monkeypatch.setattr(bulk_work, "CHUNK", 10)
    make_intents(agent, 30)
    action = to_all(alice, "cancel")
    assert bulk_work.advance(action.pk)

    change(Membership.objects.filter(user_id=alice.user_id))

    action = finish(action)
    assert (action.state, action.succeeded) == ("refused", 10)
    assert said in action.refusal
    assert AuditEntry.objects.filter(action="bulk.refused").exists()
    assert Intent.objects.filter(status="CANCELED").count() == 10


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_everything_once() -> None:
    agent = make_recipient()
    alice = make_operator(agent)
    make_intents(agent, 2_000)
    for_all = to_all(alice, "cancel")

    def work() -> None:
        while bulk_work.run(for_all.pk):
            pass

    at_once([work] * 4)
    finish(for_all)

    for_all.refresh_from_db()
    assert (for_all.state, for_all.succeeded, for_all.failed) == ("finished", 2_000, 0)
    named = [
        each
        for entry in AuditEntry.objects.filter(action="intent.canceled")
        for each in entry.details["intents"]
    ]
    assert len(set(named)) == len(named) == 2_000


def test_viewers_and_strangers_begin_and_stop_nothing(agent: Agent, alice: Operator) -> None:
    make_intents(agent, 2)
    action = to_all(alice, "cancel")
    viewer, stranger = make_operator(agent, Role.VIEWER), make_operator(make_recipient())

    with pytest.raises(Forbidden):
        bulk_actions.plan(viewer, "cancel", query="")
    with pytest.raises(Forbidden):
        bulk_actions.stop(viewer, action.pk)
    with pytest.raises(ActionNotFound):
        bulk_actions.stop(stranger, action.pk)
    assert bulk_actions.plan(stranger, "cancel", query="").expected == 0


@pytest.mark.parametrize("kind", ["", "delete", "cancel;"])
def test_there_are_three_actions_and_no_others(agent: Agent, alice: Operator, kind: str) -> None:
    with pytest.raises(Invalid):
        bulk_actions.plan(alice, kind, ids=[make_intent(agent).pk])
