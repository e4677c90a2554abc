"""What people do to single intents: who may, what comes of it, and what the audit log says."""

from __future__ import annotations

from typing import Any

import pytest

from agents.errors import ApiError, Forbidden, Invalid, PayloadTooLarge
from agents.models import Agent, AuditEntry, Role
from intents import desk
from intents.errors import IntentNotFound, IntentTerminal
from intents.models import Delivery, Intent
from intents.repeating import IntentOpen, NothingOwed
from tests.intents.factories import history, make_delivery, make_intent, make_recipient
from tests.intents.people import make_operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(db: None) -> Agent:
    return make_recipient()


def entry() -> AuditEntry:
    [only] = AuditEntry.objects.all()
    return only


def ended(agent: Agent, **fields: Any) -> Intent:
    intent = make_intent(agent, **fields)
    intent.cancel(actor="test", reason="over")
    intent.refresh_from_db()
    return intent


def test_canceling_ends_it_and_says_who_why_and_from_where(agent: Agent) -> None:
    intent, alice = make_intent(agent), make_operator(agent)

    desk.cancel(alice, intent.pk, "  a   duplicate ")

    ending = intent.events.get(type="intent.canceled")
    assert (ending.actor, ending.details) == (f"human:{alice.username}", {"reason": "a duplicate"})
    assert not Delivery.objects.filter(intent=intent).exists()
    noted = entry()
    assert (noted.actor, noted.action, noted.target) == (alice.actor, "intent.canceled", str(intent.pk))
    assert (noted.reason, noted.remote_addr) == ("a duplicate", "192.0.2.7")


def test_canceling_needs_a_reason(agent: Agent) -> None:
    intent = make_intent(agent)

    for reason in ("", "  \n ", "x" * 501):
        with pytest.raises(Invalid):
            desk.cancel(make_operator(agent), intent.pk, reason)

    assert history(intent.pk) == ["intent.created", "intent.submitted"]


def test_what_has_ended_is_not_canceled_and_leaves_no_entry(agent: Agent) -> None:
    intent = ended(agent)

    with pytest.raises(IntentTerminal):
        desk.cancel(make_operator(agent), intent.pk, "late")

    assert not AuditEntry.objects.exists()


def test_redelivering_takes_it_from_whoever_works_on_it(agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=30)
    alice = make_operator(agent)

    desk.redeliver(alice, delivery.intent_id, "it hangs")

    delivery.refresh_from_db()
    assert delivery.lease_token is None
    assert delivery.intent.events.last().details["redelivered_by"] == alice.actor  # type: ignore[union-attr]
    assert (entry().action, entry().reason) == ("intent.redelivered", "it hangs")


def test_nothing_is_redelivered_of_what_nobody_is_owed(agent: Agent) -> None:
    delivery = make_delivery(agent)
    delivery.delete()

    with pytest.raises(NothingOwed):
        desk.redeliver(make_operator(agent), delivery.intent_id)

    assert not AuditEntry.objects.exists()


def test_a_retry_is_a_new_intent_that_names_the_old_one(agent: Agent) -> None:
    intent, alice = ended(agent, payload='{"rows": 3}'), make_operator(agent)

    submitted = desk.retry(alice, intent.pk, reason="once more")

    again = Intent.objects.get(pk=submitted.intent_id)
    assert (again.retry_of_id, again.payload, again.status) == (intent.pk, {"rows": 3}, "SUBMITTED")
    assert again.correlation_id == intent.correlation_id
    assert entry().details == {
        "retried_as": str(again.pk),
        "from_checkpoints": True,
        "payload_edited": False,
    }


def test_a_retry_may_have_another_payload(agent: Agent) -> None:
    intent = ended(agent, payload='{"rows": 3}')

    submitted = desk.retry(make_operator(agent), intent.pk, payload={"rows": 4})

    assert Intent.objects.get(pk=submitted.intent_id).payload == {"rows": 4}
    assert entry().details["payload_edited"] is True


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ([1], Invalid),
        ("text", Invalid),
        ({"nul": "a\x00b"}, Invalid),
        ({"large": "x" * 200_000}, PayloadTooLarge),
    ],
)
def test_a_payload_that_could_not_be_submitted_is_refused(
    agent: Agent, payload: Any, error: type[ApiError]
) -> None:
    intent = ended(agent)

    with pytest.raises(error):
        desk.retry(make_operator(agent), intent.pk, payload=payload)

    assert Intent.objects.count() == 1


def test_an_open_one_is_not_retried(agent: Agent) -> None:
    with pytest.raises(IntentOpen):
        desk.retry(make_operator(agent), make_intent(agent).pk)


def test_viewers_may_look_and_strangers_know_nothing(agent: Agent) -> None:
    intent = make_intent(agent)
    viewer, stranger = make_operator(agent, Role.VIEWER), make_operator(make_recipient())

    for who, error in ((viewer, Forbidden), (stranger, IntentNotFound)):
        with pytest.raises(error):
            desk.cancel(who, intent.pk, "because")
        with pytest.raises(error):
            desk.redeliver(who, intent.pk)
        with pytest.raises(error):
            desk.retry(who, intent.pk)

    assert history(intent.pk) == ["intent.created", "intent.submitted"]
    assert not AuditEntry.objects.exists()
