"""Delivery by callback: what an agent in http mode is sent, and what its answers lead to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db.models import F
from django.db.models.functions import Now
from pytest_django import Settings

from agents.models import Agent, AgentStatus
from intents import callbacks, ledger, outgoing, sweep, tasks
from intents.lifecycle import EventType, Status
from intents.models import Delivery, Event, Intent
from intents.records import Ending, Hold, Release, Save
from tests.intents.callback_server import CallbackServer
from tests.intents.factories import history, hold, make_intent, make_intents, make_recipient, slot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings: Settings) -> Iterator[CallbackServer]:
    settings.PERDURE_ALLOW_PRIVATE_CALLBACKS = ["127.0.0.0/8"]
    with CallbackServer() as server:
        yield server


@pytest.fixture
def agent(server: CallbackServer) -> Agent:
    return make_recipient(delivery_mode="http", callback_url=server.url, callback_secret="whsec_x")


def call_due() -> int:
    return asyncio.run(callbacks.call_due())


def due_in(intent: Intent) -> float:
    """Seconds until the intent's delivery can be claimed."""
    [left] = Delivery.objects.filter(intent=intent).values_list(F("claimable_at") - Now(), flat=True)
    return float(left.total_seconds())


def eventually(holds: Callable[[], Any], patience: float = 5) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_agent_is_sent_its_intent_signed_and_has_it_in_hand(agent: Agent, server: CallbackServer) -> None:
    intent = make_intent(agent, payload='{"rows": 3}')

    assert call_due() == 1

    [received] = server.received
    body = orjson.loads(received.body)
    assert body["intent_id"] == str(intent.pk)
    assert (body["event_type"], body["status"]) == ("intent.delivered", "DELIVERED")
    assert (body["payload"], body["delivery_attempt"]) == ({"rows": 3}, 1)
    assert (body["to_agent"], body["intent_type"]) == (agent.address, intent.intent_type)
    assert body["at"].endswith("Z")
    expected = hmac.new(b"whsec_x", received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-axme-signature"] == f"sha256={expected}"
    assert UUID(received.headers["x-axme-delivery-id"]) == Delivery.objects.get().lease_token
    assert received.headers["x-trace-id"] == str(intent.correlation_id)
    assert history(intent.pk)[2:] == [EventType.DELIVERED, EventType.ACKNOWLEDGED, EventType.IN_PROGRESS]
    assert 290 < due_in(intent) <= 300
    assert call_due() == 0


def test_it_is_sent_the_trace_and_what_earlier_attempts_saved(agent: Agent, server: CallbackServer) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    intent = make_intent(agent, attributes=orjson.dumps({"traceparent": trace}).decode())
    held = hold(intent, agent_id=agent.pk)
    [lease] = ledger.claim([slot(agent)])
    ledger.checkpoint([Save(held, "extract", "application/json", b'{"rows":3}')])
    ledger.release([Release(hold(intent, agent_id=agent.pk, token=lease.lease_token))])

    assert call_due() == 1

    body = orjson.loads(server.received[0].body)
    assert (body["delivery_attempt"], body["redelivery"], body["traceparent"]) == (2, True, trace)
    assert body["checkpoint_count"] == 1
    [saved] = body["checkpoints"]
    assert (saved["step"], saved["attempt"], saved["value"]) == ("extract", 1, {"rows": 3})


def test_the_lease_that_was_sent_is_the_one_to_answer_under(agent: Agent, server: CallbackServer) -> None:
    intent = make_intent(agent)
    call_due()

    lease = UUID(orjson.loads(server.received[0].body)["lease"])
    [done] = ledger.finish([Ending(hold(intent, agent_id=agent.pk, token=lease), EventType.COMPLETED)])

    assert done.outcome == "done"


@pytest.mark.parametrize("status", [199, 301, 404, 410, 500])
def test_an_answer_that_is_no_2xx_gives_it_back_for_a_while(
    agent: Agent, server: CallbackServer, status: int
) -> None:
    server.statuses = [status] * (2 if status < 200 else 1)
    intent = make_intent(agent, max_delivery_attempts=9)

    call_due()

    assert 25 < due_in(intent) <= 30


def test_it_is_tried_again_ever_later_until_the_attempts_run_out(
    agent: Agent, server: CallbackServer
) -> None:
    server.statuses = [500] * 5
    intent = make_intent(agent, max_delivery_attempts=5)

    waits = []
    for _ in range(5):
        call_due()
        waits.append(round(due_in(intent)))
        Delivery.objects.update(due_at=Now() - timedelta(seconds=1))
    sweep.sweep()

    assert waits == [30, 120, 600, 600, 0]
    intent.refresh_from_db()
    assert intent.status == Status.FAILED
    assert intent.replayed() == intent.status
    released = Event.objects.filter(intent=intent, details__released=True)
    assert [event.details["callback"] for event in released] == [{"status": 500}] * 5


def test_a_url_into_a_private_network_is_never_called(
    agent: Agent, server: CallbackServer, settings: Settings
) -> None:
    settings.PERDURE_ALLOW_PRIVATE_CALLBACKS = []
    intent = make_intent(agent)

    call_due()

    assert server.received == []
    assert 25 < due_in(intent) <= 30
    [event] = Event.objects.filter(intent=intent, details__released=True)
    assert event.details["callback"] == {"error": "the URL leads into a private network"}


def test_many_are_called_at_once_but_one_agent_only_a_few_times(
    agent: Agent, server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", 0.05)
    with CallbackServer() as quick:
        other = make_recipient(delivery_mode="http", callback_url=quick.url)
        server.gate.clear()
        made = make_intents(agent, 20)
        make_intents(other, 20)

        callbacks.ring()
        callbacks.ring()
        eventually(lambda: len(quick.received) == 20)
        eventually(lambda: len(server.received) >= callbacks.MOST_CALLS_OF_AGENT)
        assert len(server.received) == callbacks.MOST_CALLS_OF_AGENT
        server.gate.set()
        eventually(lambda: len(server.received) == len(made))
        eventually(lambda: not callbacks._is_calling.locked())

    assert len(quick.received) == 20
    assert Intent.objects.filter(status=Status.IN_PROGRESS).count() == 40
    assert all("x-axme-signature" not in received.headers for received in quick.received)


def test_a_tenant_with_many_slow_agents_leaves_room_for_others(
    agent: Agent, server: CallbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "MOST_CALLS", 8)
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", 0.05)
    slow = [
        agent,
        *(make_recipient(beside=agent, delivery_mode="http", callback_url=server.url) for _ in range(3)),
    ]
    server.gate.clear()
    for each in slow:
        make_intents(each, 8)

    callbacks.ring()
    eventually(lambda: len(server.received) == 4)
    with CallbackServer() as quick:
        make_intents(make_recipient(delivery_mode="http", callback_url=quick.url), 10)
        eventually(lambda: len(quick.received) == 10)
    assert len(server.received) == 4
    server.gate.set()
    eventually(lambda: not callbacks._is_calling.locked(), patience=20)

    assert len(server.received) == 32


def test_a_url_that_breaks_what_reads_it_costs_nobody_else_a_call(
    agent: Agent, server: CallbackServer
) -> None:
    unreadable = make_recipient(delivery_mode="http", callback_url="http://xn--a/")
    intents = [make_intent(unreadable), make_intent(unreadable)]
    make_intents(agent, 20)

    assert call_due() == 22

    assert len(server.received) == 20
    assert all(25 < due_in(intent) <= 30 for intent in intents)


def test_a_call_that_goes_wrong_as_nobody_foresaw_is_a_failed_one_and_is_logged(
    agent: Agent, server: CallbackServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    post = outgoing.post

    async def surprising(calling: Any, url: str, *args: Any, **kwargs: Any) -> int:
        if url.endswith("surprise"):
            raise RuntimeError("surprise")
        return await post(calling, url, *args, **kwargs)

    monkeypatch.setattr(outgoing, "post", surprising)
    surprised = make_intent(make_recipient(delivery_mode="http", callback_url=f"{server.url}/surprise"))
    make_intents(agent, 20)

    assert call_due() == 21

    assert len(server.received) == 20
    [event] = Event.objects.filter(intent=surprised, details__released=True)
    assert event.details["callback"] == {"error": "the call went wrong"}
    assert f"Calling an agent about intent {surprised.pk} went wrong." in caplog.text


def test_an_answer_that_cannot_be_recorded_stops_nobody_else(
    agent: Agent, server: CallbackServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledge = ledger.acknowledge
    lost, others = make_intent(agent), make_intents(agent, 19)

    def surprising(holds: list[Hold]) -> Any:
        if holds[0].intent_id == lost.pk:
            raise RuntimeError("surprise")
        return acknowledge(holds)

    monkeypatch.setattr(ledger, "acknowledge", surprising)

    assert call_due() == 20

    assert Intent.objects.filter(status=Status.IN_PROGRESS).count() == len(others)
    assert f"A callback for intent {lost.pk} came to no end." in caplog.text
    assert 290 < due_in(lost) <= 300


def test_who_listens_instead_gets_what_is_due(agent: Agent, server: CallbackServer) -> None:
    server.statuses = [503]
    make_intent(agent)
    call_due()
    Delivery.objects.update(due_at=Now())

    [lease] = ledger.claim([slot(agent)])

    assert lease.attempt == 2
    assert call_due() == 0


def test_who_begins_to_listen_anew_takes_over_what_a_callback_left_with_it(agent: Agent) -> None:
    intent = make_intent(agent)
    call_due()
    session = UUID(int=1)

    assert ledger.take_over(agent.pk, 0, session) == 1
    assert [lease.intent_id for lease in ledger.claim([slot(agent, session=session)])] == [intent.pk]


@pytest.mark.parametrize("fields", [{"status": AgentStatus.SUSPENDED}, {"delivery_mode": "stream"}])
def test_only_active_agents_in_http_mode_are_called(
    agent: Agent, server: CallbackServer, fields: dict[str, str]
) -> None:
    Agent.objects.filter(pk=agent.pk).update(**fields)
    make_intent(agent)

    assert call_due() == 0
    assert sweep.sweep().called == ()


def test_the_sweep_has_agents_called(agent: Agent, server: CallbackServer) -> None:
    make_intent(agent)

    tasks.sweep()

    eventually(lambda: server.received)
    eventually(lambda: not callbacks._is_calling.locked())
