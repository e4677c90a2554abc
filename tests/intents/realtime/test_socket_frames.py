"""What an agent and a submitter say over the websocket, and what they hear."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Frame, Socket, named
from tests.live import Account, Operator, in_database, intent
from tests.servers import Perdure, wait_until


@pytest.fixture
def socket(connect: Connect, worker: Account) -> Socket:
    """The worker's connection, which takes ten deliveries at a time."""
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=10)
    return socket


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


# -- results ----------------------------------------------------------------------------------------------------


def test_acknowledging_notes_that_the_work_has_begun(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    intent_id = operator.submit(worker)
    delivery = socket.delivery()

    for _ in range(2):
        answer = socket.ask("acknowledge", **named(delivery))
        assert answer["ok"] is True
        assert answer["results"] == [{"intent_id": intent_id, "ok": True}]
    assert operator.story(intent_id) == ["created", "submitted", "delivered", "acknowledged", "in_progress"]


@pytest.mark.parametrize(
    ("result", "stored"),
    [
        ({"rows": 3}, {"rows": 3}),
        ([1, 2], {"result": [1, 2]}),
        ("done", {"result": "done"}),
        (None, {"result": None}),
    ],
)
def test_a_result_is_stored_as_an_object(
    operator: Operator, worker: Account, socket: Socket, result: object, stored: object
) -> None:
    intent_id = operator.submit(worker)

    answer = socket.ask("complete", **named(socket.delivery(), result=result))

    assert answer["results"] == [{"intent_id": intent_id, "ok": True}]
    assert operator.intent(intent_id)["result"] == stored


def test_frames_without_a_ref_are_answered_only_if_something_went_wrong(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    intent_id = operator.submit(worker)
    delivery = socket.delivery()

    socket.say("complete", **named(delivery))
    operator.wait_for(intent_id, "COMPLETED")
    socket.say("complete", **named(delivery))

    answer = socket.hear("result")
    assert (answer["ref"], answer["ok"]) == (None, False)
    assert answer["results"][0]["error"]["code"] == "intent_terminal"


def test_frames_about_one_delivery_are_served_in_their_order(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    answer = operator.post("/v1/intents/batch", {"intents": [intent(worker) for _ in range(10)]})
    ids = [each["intent_id"] for each in answer["results"]]
    for delivery in socket.deliveries(10):
        socket.say("acknowledge", **named(delivery))
        socket.say("extend", **named(delivery))
        socket.say("complete", **named(delivery))
    for intent_id in ids:
        operator.wait_for(intent_id, "COMPLETED")
        assert operator.story(intent_id)[-3:] == ["acknowledged", "in_progress", "completed"]

    assert socket.hears_nothing("result", 0.1)


def test_a_frame_with_many_results_is_one_change_in_the_ledger(
    commons: Perdure, operator: Operator, worker: Account, connect: Connect
) -> None:
    answer = operator.post("/v1/intents/batch", {"intents": [intent(worker) for _ in range(500)]})
    ids = [each["intent_id"] for each in answer["results"]]
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=1000)
    deliveries = socket.deliveries(500, deadline=15)

    done = socket.ask(
        "complete", deliveries=[named(each, result={"n": n}) for n, each in enumerate(deliveries)]
    )

    assert done["ok"] is True
    assert [each["intent_id"] for each in done["results"]] == [each["intent_id"] for each in deliveries]
    query = (
        "SELECT count(*), count(DISTINCT at) FROM intents_event"
        " WHERE type = 'intent.completed' AND intent_id = ANY(%s::uuid[])"
    )
    assert in_database(commons, query, ids) == [(500, 1)]


def test_in_a_frame_with_many_each_is_judged_by_itself(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    operator.submit(worker)
    good = socket.delivery()
    bad = {"intent_id": good["intent_id"], "lease": str(uuid4())}
    unknown = {"intent_id": str(uuid4()), "lease": str(uuid4())}

    answer = socket.ask("complete", deliveries=[bad, unknown, named(good)])

    assert answer["ok"] is False
    codes = [each.get("error", {}).get("code") for each in answer["results"]]
    assert codes == ["lease_lost", "not_found", None]
    operator.wait_for(good["intent_id"], "COMPLETED")


# -- failing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [{"code": "no_rows", "message": "there is nothing to do"}, "nothing to do", None]
)
def test_a_failure_that_is_final_ends_the_intent(
    operator: Operator, worker: Account, socket: Socket, error: object
) -> None:
    intent_id = operator.submit(worker)

    assert socket.ask("fail", **named(socket.delivery(), error=error))["ok"] is True

    failed = operator.wait_for(intent_id, "FAILED")["error"]
    assert {"code", "message"} <= failed.keys()
    if isinstance(error, dict):
        assert error.items() <= failed.items()
    elif error is not None:
        assert failed["message"] == error


def test_a_failure_worth_another_try_is_delivered_again_until_the_attempts_are_used_up(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    intent_id = operator.submit(worker, max_delivery_attempts=2)
    first = socket.delivery()
    assert socket.ask("fail", **named(first, error="busy", retryable=True))["ok"] is True
    second = socket.delivery()

    assert (second["attempt"], second["redelivery"], second["status"]) == (2, True, "IN_PROGRESS")
    assert second["seq"] > first["seq"]
    assert second["lease"] != first["lease"]
    assert socket.ask("fail", **named(second, error="busy", retryable=True))["ok"] is True
    assert operator.wait_for(intent_id, "FAILED")["error"]["code"] == "delivery_attempts_exhausted"
    assert socket.hears_nothing("deliveries", 0.2)


# -- giving back ------------------------------------------------------------------------------------------------


def test_a_delivery_given_back_for_a_while_comes_again_after_it(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    operator.submit(worker)
    first = socket.delivery()
    assert socket.ask("release", **named(first, delay=1.0))["ok"] is True

    assert socket.hears_nothing("deliveries", 0.6)
    assert socket.delivery(deadline=3)["attempt"] == 2


def test_a_delivery_given_back_without_delay_comes_again_at_once(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    operator.submit(worker)
    socket.say("release", **named(socket.delivery()))

    assert socket.delivery(deadline=2)["attempt"] == 2


# -- submitting -------------------------------------------------------------------------------------------------


def test_intents_are_accepted_in_their_order_and_a_bad_one_fails_alone(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    bodies = [intent(worker), intent("not an address://"), {**intent(worker), "payload": 3}, intent(worker)]

    accepted = connect(operator.key).ask("submit", intents=bodies)

    assert accepted["type"] == "accepted"
    first, second, third, fourth = accepted["results"]
    assert (first["ok"], second["ok"], third["ok"], fourth["ok"]) == (True, False, False, True)
    assert second["error"]["code"] == "invalid_agent_address"
    assert third["error"]["code"] == "validation_error"
    assert operator.status(first["intent_id"]) == operator.status(fourth["intent_id"]) == "SUBMITTED"


def test_the_outcome_of_a_watched_intent_is_told(
    connect: Connect, operator: Operator, worker: Account, socket: Socket
) -> None:
    sender = connect(operator.key, web=1)
    accepted = sender.ask("submit", intents=[intent(worker), intent(worker)], watch=True)
    ids = [each["intent_id"] for each in accepted["results"]]
    done, failed = socket.deliveries(2)
    socket.say("complete", **named(done, result={"rows": 3}))
    socket.say("fail", **named(failed, error={"code": "no_rows", "message": "nothing"}))

    outcomes: dict[str, Frame] = {}
    while len(outcomes) < 2:
        outcomes |= {each["intent_id"]: each for each in sender.hear("outcomes")["outcomes"]}
    assert set(outcomes) == set(ids)
    assert outcomes[done["intent_id"]]["status"] == "COMPLETED"
    assert outcomes[done["intent_id"]]["result"] == {"rows": 3}
    assert outcomes[done["intent_id"]]["seq"] >= 4
    assert outcomes[done["intent_id"]]["at"].endswith("Z")
    assert outcomes[failed["intent_id"]]["status"] == "FAILED"
    assert outcomes[failed["intent_id"]]["error"]["code"] == "no_rows"


def test_an_intent_submitted_elsewhere_can_be_watched_before_and_after_its_end(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    ended, open_ = operator.submit(worker), operator.submit(worker)
    operator.post(f"/v1/intents/{ended}/resolve", {"status": "CANCELED", "reason": "no longer wanted"})
    sender = connect(operator.key)

    answer = sender.ask("watch", intents=[ended, open_])

    assert answer["ok"] is True
    [told] = sender.hear("outcomes")["outcomes"]
    assert (told["intent_id"], told["status"], told["reason"]) == (ended, "CANCELED", "no longer wanted")
    operator.post(f"/v1/intents/{open_}/resolve", {"status": "COMPLETED", "result": {}})
    [told] = sender.hear("outcomes")["outcomes"]
    assert (told["intent_id"], told["status"]) == (open_, "COMPLETED")


def test_a_foreign_intent_cannot_be_watched_and_looks_like_an_unknown_one(
    connect: Connect, operator: Operator, worker: Account, rivals: Operator
) -> None:
    foreign, unknown = operator.submit(worker), str(uuid4())

    answer = connect(rivals.key).ask("watch", intents=[foreign, unknown])

    first, second = answer["results"]
    assert first.pop("intent_id") == foreign
    assert second.pop("intent_id") == unknown
    assert first == second
    assert first["error"]["code"] == "not_found"


def test_a_repeated_idempotency_key_is_one_intent(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    sender = connect(operator.key)
    body = {**intent(worker), "idempotency_key": str(uuid4())}

    first = sender.ask("submit", intents=[body])["results"][0]
    again = sender.ask("submit", intents=[body])["results"][0]
    other = sender.ask("submit", intents=[{**body, "payload": {"rows": 4}}])["results"][0]

    assert first["intent_id"] == again["intent_id"]
    assert (other["ok"], other["error"]["code"]) == (False, "idempotency_conflict")


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

    wait_until(lambda: in_database(commons, query, welcome["connection"]), 3, "it is told")

    assert in_database(commons, query, welcome["connection"]) == [("websocket", "test/1", 1)]
    socket.close()
    wait_until(lambda: not in_database(commons, query, welcome["connection"]), 3, "its end is told")
