"""What an agent says over the websocket about its deliveries: done, failed, given back."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Socket, named
from tests.live import Account, Operator, in_database, intent
from tests.servers import Perdure

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
    deliveries = socket.deliveries(500, deadline=30)

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
    assert socket.delivery(deadline=20)["attempt"] == 2


def test_a_delivery_given_back_without_delay_comes_again_at_once(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    operator.submit(worker)
    socket.say("release", **named(socket.delivery()))

    assert socket.delivery(deadline=15)["attempt"] == 2
