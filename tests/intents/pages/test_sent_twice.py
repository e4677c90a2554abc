"""Forms about intents that are sent twice: one retry, one cancellation, one action on many."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from agents.models import Agent, AuditEntry
from intents import ledger
from intents.lifecycle import EventType
from intents.models import BulkAction, Event, Intent
from intents.records import Ending
from tests.intents.factories import hold, make_delivery, make_intent, slot
from tests.intents.pages.conftest import Member
from tests.intents.racing import at_once

pytestmark = pytest.mark.django_db

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def fields_of(answer: HttpResponse) -> dict[str, str]:
    """What the form of a page sends along by itself."""
    return {name: value for name, value in HIDDEN.findall(answer.content.decode()) if value}


def failed(agent: Agent) -> Intent:
    intent = make_intent(agent)
    error = {"error": {"code": "agent_failed", "message": "no"}}
    ledger.finish([Ending(hold(intent), EventType.FAILED, error)])
    return intent


def test_a_retry_that_is_asked_for_twice_is_one(operator: Member, agent: Agent) -> None:
    intent = failed(agent)
    form = fields_of(operator.get(f"intents/{intent.pk}/retries/"))

    first, second = (operator.post(f"intents/{intent.pk}/retries/", form) for _ in range(2))

    again = Intent.objects.get(retry_of=intent)
    assert first["Location"] == second["Location"] == f"{operator.root}intents/{again.pk}/"
    assert AuditEntry.objects.filter(action="intent.retried").count() == 1


def test_who_cancels_twice_is_not_told_that_nothing_was_changed(operator: Member, agent: Agent) -> None:
    intent = make_intent(agent)
    form = fields_of(operator.get(f"intents/{intent.pk}/cancellation/")) | {"reason": "a duplicate"}

    operator.post(f"intents/{intent.pk}/cancellation/", form)
    second = operator.post(f"intents/{intent.pk}/cancellation/", form)

    page = operator.client.get(second["Location"]).content.decode()
    assert "Nothing was changed" not in page
    assert "it was done once" in page


def test_a_redelivery_that_is_asked_for_twice_costs_one_attempt(operator: Member, agent: Agent) -> None:
    delivery = make_delivery(agent, lease_ends_in=600)
    form = fields_of(operator.get(f"intents/{delivery.intent_id}/redelivery/"))
    operator.post(f"intents/{delivery.intent_id}/redelivery/", form)
    [lease] = ledger.claim([slot(agent)])

    operator.post(f"intents/{delivery.intent_id}/redelivery/", form)

    delivery.refresh_from_db()
    assert delivery.lease_token == lease.lease_token, "whoever has it now keeps it"


def test_an_action_on_many_that_is_confirmed_twice_is_one(operator: Member, agent: Agent) -> None:
    make_intent(agent)
    asked = operator.post("bulk/", {"kind": "cancel", "filter": ""})
    form = {"filter": ""} | fields_of(asked) | {"reason": "cleaning"}

    answers = [operator.post("bulk/", form) for _ in range(2)]

    action = BulkAction.objects.get()
    assert {answer["Location"] for answer in answers} == {f"{operator.root}bulk/{action.pk}/"}


@pytest.mark.django_db(transaction=True)
def test_retries_of_the_same_moment_are_one(operator: Member, agent: Agent) -> None:
    intent = failed(agent)
    form = fields_of(operator.get(f"intents/{intent.pk}/retries/"))

    def send() -> Any:
        browser = Client()
        browser.cookies.load(operator.client.cookies.output(header="", sep=";"))
        return browser.post(f"{operator.root}intents/{intent.pk}/retries/", form)

    answers = at_once([partial(send) for _ in range(4)])

    again = Intent.objects.get(retry_of=intent)
    assert {answer["Location"] for answer in answers} == {f"{operator.root}intents/{again.pk}/"}
    assert Event.objects.filter(intent=again, seq=1).count() == 1


@pytest.mark.parametrize(
    ("sent", "typed", "status"),
    [("-5", "", 422), ("-99999999999", "", 422), ("99999999999", "cancel 2147483647", 303)],
)
def test_a_number_that_nobody_was_shown_breaks_nothing(
    operator: Member, sent: str, typed: str, status: int
) -> None:
    newest = "00000000-0000-0000-0000-000000000000"
    form = {"kind": "cancel", "filter": "status=SUBMITTED", "confirmed": "1", "reason": "a mistake"}

    answer = operator.post("bulk/", {**form, "newest": newest, "expected": sent, "typed": typed})

    assert answer.status_code == status, answer.content.decode()
    assert BulkAction.objects.count() == (status == 303)
