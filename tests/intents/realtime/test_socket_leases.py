"""Leases on the websocket: bound to the connection, gone with it, and lost to nobody unnoticed."""

from __future__ import annotations

from uuid import uuid4

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Frame, Socket, named
from tests.live import Account, Operator, in_database
from tests.servers import Perdure


def at_work(connect: Connect, worker: Account, web: int = 0) -> Socket:
    socket = connect(worker.key, web=web)
    socket.hello(worker)
    return socket


def test_what_a_closed_connection_held_goes_to_another_at_once(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    first = at_work(connect, worker)
    operator.submit(worker)
    lost = first.delivery()
    first.ask("acknowledge", **named(lost))
    second = at_work(connect, worker, web=1)
    first.close()

    delivery = second.delivery(deadline=15)

    assert delivery["intent_id"] == lost["intent_id"]
    assert (delivery["attempt"], delivery["redelivery"]) == (2, True)


def test_an_attempt_that_never_began_is_given_back_three_times(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    intent_id = operator.submit(worker)
    attempts = []
    for _ in range(5):
        socket = at_work(connect, worker)
        attempts.append(socket.delivery()["attempt"])
        socket.close()

    assert attempts == [1, 1, 1, 1, 2]
    assert operator.story(intent_id).count("submitted") == 4


def test_an_attempt_that_began_counts(operator: Operator, worker: Account, connect: Connect) -> None:
    operator.submit(worker, max_delivery_attempts=5)
    attempts = []
    for _ in range(3):
        socket = at_work(connect, worker)
        delivery = socket.delivery()
        attempts.append(delivery["attempt"])
        socket.ask("acknowledge", **named(delivery))
        socket.close()

    assert attempts == [1, 2, 3]


def test_a_result_under_a_lease_that_was_superseded_is_refused(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    first, stale = _superseded(operator, worker, connect)

    for frame in ("complete", "fail", "release", "acknowledge", "extend"):
        answer = first.ask(frame, **named(stale))
        assert answer["ok"] is False
        assert answer["results"][0]["error"]["code"] == "lease_lost"
    assert operator.status(stale["intent_id"]) != "COMPLETED"


def test_whoever_lost_a_lease_learns_it_with_the_next_heartbeat(
    commons: Perdure, operator: Operator, worker: Account, connect: Connect
) -> None:
    socket = at_work(connect, worker)
    operator.submit(worker)
    delivery = socket.delivery()
    in_database(
        commons,
        "UPDATE intents_delivery SET lease_token = %s WHERE intent_id = %s",
        uuid4(),
        delivery["intent_id"],
    )

    socket.say("heartbeat")

    lost = socket.hear("lease_lost")
    assert lost["deliveries"] == [named(delivery)]


def test_the_agent_is_told_when_what_it_works_on_is_canceled(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    socket = at_work(connect, worker, web=1)
    canceled, next_one = operator.submit(worker), operator.submit(worker)
    delivery = socket.delivery()
    assert delivery["intent_id"] == canceled
    operator.post(f"/v1/intents/{canceled}/resolve", {"status": "CANCELED", "reason": "no longer wanted"})

    told = socket.hear("canceled", deadline=15)

    assert told["deliveries"] == [{"intent_id": canceled, "status": "CANCELED", "reason": "no longer wanted"}]
    # It has room again, and whatever it says about the canceled one comes too late.
    assert socket.delivery()["intent_id"] == next_one
    assert socket.ask("complete", **named(delivery))["results"][0]["error"]["code"] == "intent_terminal"


def test_another_agent_of_the_organization_can_do_nothing_with_a_lease(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    socket = at_work(connect, worker)
    operator.submit(worker)
    delivery = socket.delivery()
    other = operator.register()
    thief = at_work(connect, other)

    answer = thief.ask("complete", **named(delivery))

    assert answer["results"][0]["error"]["code"] == "forbidden"
    assert socket.ask("complete", **named(delivery))["ok"] is True


def test_another_tenants_lease_looks_like_an_unknown_one(
    operator: Operator, worker: Account, connect: Connect, rivals: Operator
) -> None:
    socket = at_work(connect, worker)
    operator.submit(worker)
    delivery = socket.delivery()
    thief = at_work(connect, rivals.register())

    for frame in ("complete", "fail", "release", "acknowledge"):
        [foreign] = thief.ask(frame, **named(delivery))["results"]
        [unknown] = thief.ask(frame, intent_id=str(uuid4()), lease=str(uuid4()))["results"]
        assert {**foreign, "intent_id": ""} == {**unknown, "intent_id": ""}
        assert foreign["error"]["code"] == "not_found"
    [foreign] = thief.ask("extend", **named(delivery))["results"]
    [unknown] = thief.ask("extend", intent_id=str(uuid4()), lease=str(uuid4()))["results"]
    assert {**foreign, "intent_id": ""} == {**unknown, "intent_id": ""}
    assert socket.ask("complete", **named(delivery))["ok"] is True


def _superseded(operator: Operator, worker: Account, connect: Connect) -> tuple[Socket, Frame]:
    """A connection, and a delivery that it gave back and another connection has now."""
    first = at_work(connect, worker)
    operator.submit(worker)
    stale = first.delivery()
    second = at_work(connect, worker, web=1)
    first.say("hello")  # its answer is an error; it only proves that frames are still served
    first.hear("error")
    first.ask("release", **named(stale, delay=0))
    # Whichever of the two gets it, the lease is another.
    for socket in (second, first):
        if not socket.hears_nothing("deliveries", 0.5):
            break
    return first, stale
