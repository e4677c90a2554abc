"""What an agent is told over the websocket when it comes, what it is given, and how it stays."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Socket, named
from tests.live import Account, Operator, in_database, intent
from tests.servers import Perdure, wait_until

# -- hello ------------------------------------------------------------------------------------------------------


def test_hello_is_welcomed_with_all_that_a_client_has_to_keep_to(connect: Connect, worker: Account) -> None:
    welcome = connect(worker.key).ask("hello", address=worker.address, max_in_flight=7, client="test/1")

    assert UUID(welcome.pop("connection")).version == 4
    assert welcome == {
        "type": "welcome",
        "ref": "ref-1",
        "address": worker.address,
        "max_in_flight": 7,
        "lease_seconds": 30,
        "heartbeat_seconds": 10,
        "max_frame_bytes": 256 * 1024,
    }


@pytest.mark.parametrize("written", ["name", "bare address", "address"])
def test_an_agent_may_write_its_address_in_any_form(connect: Connect, worker: Account, written: str) -> None:
    forms = {
        "name": worker.name,
        "bare address": worker.address.removeprefix("agent://"),
        "address": worker.address,
    }

    assert connect(worker.key).ask("hello", address=forms[written])["address"] == worker.address


def test_a_submitter_needs_no_address(connect: Connect, operator: Operator) -> None:
    welcome = connect(operator.key).ask("hello")

    assert (welcome["connection"], welcome["address"]) == (None, None)


def test_a_key_is_accepted_in_either_header(connect: Connect, worker: Account) -> None:
    assert connect(x_api_key=worker.key).hello(worker)["address"] == worker.address


def test_an_operator_may_work_for_any_agent_of_its_organization(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    assert connect(operator.key).hello(worker)["address"] == worker.address


# -- deliveries -------------------------------------------------------------------------------------------------


def test_a_delivery_says_all_that_an_agent_needs(operator: Operator, worker: Account, socket: Socket) -> None:
    body = intent(worker, {"rows": [1, "zwei", None]})
    intent_id = operator.post("/v1/intents", body)["intent_id"]

    delivery = socket.delivery()

    assert UUID(delivery.pop("lease")).version == 4
    assert delivery.pop("seq") >= 1
    assert delivery.pop("created_at").endswith("Z")
    assert delivery == {
        "intent_id": intent_id,
        "attempt": 1,
        "max_attempts": 3,
        "redelivery": False,
        "status": "DELIVERED",
        "intent_type": "test.work.v1",
        "from_agent": "agent://myorg/production/operator",
        "to_agent": worker.address,
        "correlation_id": body["correlation_id"],
        "payload": {"rows": [1, "zwei", None]},
        "checkpoint_count": 0,
        "checkpoints": [],
    }


def test_no_more_are_sent_than_the_agent_takes_at_a_time(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=2)
    for _ in range(3):
        operator.submit(worker)
    first, _ = socket.deliveries(2)

    assert socket.hears_nothing("deliveries", 0.5)
    socket.say("complete", **named(first))
    socket.delivery()


def test_many_deliveries_come_in_few_frames_none_larger_than_allowed(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    bodies = [intent(worker, {"text": "x" * 50_000}) for _ in range(20)]
    operator.post("/v1/intents/batch", {"intents": bodies})
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=100)
    sizes: list[int] = []
    number = 0
    while number < 20:
        text = socket.connection.recv(5)
        sizes.append(len(text))
        number += str(text).count('"lease"')

    assert max(sizes) <= 256 * 1024
    assert len(sizes) < 10


# -- signs of life ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["heartbeat", "extend", "acknowledge"])
def test_a_sign_of_life_renews_the_lease(
    commons: Perdure, operator: Operator, worker: Account, socket: Socket, frame: str
) -> None:
    operator.submit(worker)
    delivery = socket.delivery()
    query = "SELECT lease_expires_at FROM intents_delivery WHERE intent_id = %s"
    [(before,)] = in_database(commons, query, delivery["intent_id"])

    answer = socket.ask(frame, **({} if frame == "heartbeat" else named(delivery)))

    assert answer["ok"] is True
    [(after,)] = in_database(commons, query, delivery["intent_id"])
    assert after > before


def test_a_heartbeat_without_anything_held_is_fine(socket: Socket) -> None:
    assert socket.ask("heartbeat") == {"type": "result", "ref": "ref-2", "ok": True, "results": []}


def test_a_pong_is_not_answered(socket: Socket) -> None:
    socket.say("pong", ref="x")

    assert socket.ask("heartbeat")["ok"] is True
    assert socket.hears_nothing("result", 0.05)


# -- who is there -----------------------------------------------------------------------------------------------


def test_a_connected_agent_is_shown_with_its_connection(
    commons: Perdure, worker: Account, connect: Connect
) -> None:
    socket = connect(worker.key)
    welcome = socket.hello(worker, client="test/1")
    query = "SELECT transport, client, room FROM agents_connection WHERE id = %s"

    wait_until(lambda: in_database(commons, query, welcome["connection"]), 30, "it is told")

    assert in_database(commons, query, welcome["connection"]) == [("websocket", "test/1", 1)]
    socket.close()
    wait_until(lambda: not in_database(commons, query, welcome["connection"]), 30, "its end is told")
