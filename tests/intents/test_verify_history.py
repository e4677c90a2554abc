"""`verify_history` names exactly the intents whose history does not add up."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from intents import ledger, verification
from intents.lifecycle import EventType, Status, WaitingReason
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Wait
from tests.intents.factories import hold, make_delivery, make_intent, make_intents, make_recipient, slot

pytestmark = pytest.mark.django_db


def verify() -> str:
    out = StringIO()
    call_command("verify_history", stdout=out)
    return out.getvalue()


def make_all_kinds() -> list[Intent]:
    """An open intent, one that waits, one at its second attempt, one that has ended and a dead letter."""
    agent = make_recipient()
    make_intent(agent)
    ledger.wait([Wait(make_intent(agent).pk, WaitingReason.HUMAN)])
    make_delivery(agent, lease_ends_in=60, attempt=2)
    ledger.finish([Ending(hold(make_intent(agent)), EventType.COMPLETED, via_progress=True)])
    make_delivery(agent, lease_ends_in=-5, attempt=3)
    ledger.exhaust()
    return list(Intent.objects.order_by("pk"))


def test_what_the_ledger_wrote_agrees() -> None:
    make_all_kinds()

    assert verify() == "5 intents agree with their history.\n"


def test_no_intents_agree_with_no_history() -> None:
    assert verify() == "0 intents agree with their history.\n"


def change(**values: Any) -> Callable[[UUID], object]:
    return lambda intent_id: Intent.objects.filter(pk=intent_id).update(**values)


def forget(seq: int) -> Callable[[UUID], object]:
    return lambda intent_id: Event.objects.filter(intent_id=intent_id, seq=seq).delete()


def rewrite(seq: int, event: str, status: str = "SUBMITTED") -> Callable[[UUID], object]:
    return lambda intent_id: Event.objects.filter(intent_id=intent_id, seq=seq).update(
        type=event, status=status
    )


def owe_to_its_agent(intent_id: UUID) -> None:
    other = Delivery.objects.exclude(intent_id=intent_id).first()
    assert other
    Delivery.objects.filter(pk=other.pk).update(intent_id=intent_id)


OPEN, WAITING, SECOND, ENDED, LETTER = range(5)


@pytest.mark.parametrize(
    ("which", "spoil", "reason"),
    [
        (OPEN, change(status=Status.DELIVERED), "it is DELIVERED and its history makes it SUBMITTED"),
        (OPEN, change(seq=F("seq") + 1), "its events do not count from 1 to 3"),
        (OPEN, forget(1), "its events do not count from 1 to 2"),
        (OPEN, rewrite(2, "intent.lost"), "an event that nobody knows"),
        (OPEN, rewrite(2, "intent.submitted", "DELIVERED"), "its last event says DELIVERED"),
        (SECOND, rewrite(4, "intent.delivered"), "its history is impossible: intent.delivered cannot follow DELIVERED"),
        (ENDED, change(status=Status.FAILED), "it is FAILED and its history makes it COMPLETED"),
        (ENDED, forget(4), "it is COMPLETED and has 0 terminal events"),
        (ENDED, owe_to_its_agent, "it is COMPLETED and still owed to its agent"),
        (WAITING, owe_to_its_agent, "it is WAITING and still owed to its agent"),
        (LETTER, forget(7), "it is FAILED and has 0 terminal events"),
    ],
)  # fmt: skip
def test_an_intent_that_differs_from_its_history_is_named(
    which: int, spoil: Callable[[UUID], object], reason: str
) -> None:
    spoiled = make_all_kinds()[which]
    spoil(spoiled.pk)

    out = StringIO()
    with pytest.raises(CommandError, match=r"1 of 5 intents disagree with their history\."):
        call_command("verify_history", stdout=out)

    [line] = out.getvalue().splitlines()
    assert line.startswith(f"{spoiled.pk}: ")
    assert reason in line


def test_histories_are_read_in_chunks_and_each_intent_once() -> None:
    make_intents(make_recipient(), 25)

    assert list(verification.verdicts(chunk=10)) == [None] * 25


def test_intents_that_move_meanwhile_are_not_taken_for_wrong() -> None:
    agent = make_recipient()
    make_intents(agent, 30)

    for place, verdict in enumerate(verification.verdicts(chunk=5)):
        assert verdict is None
        if place % 3 == 0:
            [lease] = ledger.claim([slot(agent)])
            ledger.finish([Ending(hold(Intent.objects.get(pk=lease.intent_id)), EventType.COMPLETED)])
