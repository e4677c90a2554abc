"""What a submitter says over the websocket, and what it hears."""

from __future__ import annotations

from uuid import uuid4

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Frame, Socket, named
from tests.live import Account, Operator, intent


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
