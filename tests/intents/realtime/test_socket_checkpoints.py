"""Steps that are saved and costs that are told over the websocket, and what a later attempt hears of them."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import Frame, Socket, named
from tests.live import Account, Operator, in_database
from tests.servers import Perdure, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def socket(connect: Connect, worker: Account) -> Socket:
    """The worker's connection, which takes ten deliveries at a time."""
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=10)
    return socket


@pytest.fixture
def delivery(operator: Operator, worker: Account, socket: Socket) -> Frame:
    operator.submit(worker)
    return socket.delivery()


def saved(operator: Operator, intent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.get(f"/v1/intents/{intent_id}/checkpoints")["checkpoints"]
    return found


def codes(answer: Frame) -> list[str | None]:
    return [each.get("error", {}).get("code") for each in answer["results"]]


# -- checkpoint -------------------------------------------------------------------------------------------------


def test_a_step_is_saved_once_and_the_first_value_stays(
    operator: Operator, socket: Socket, delivery: Frame
) -> None:
    first = socket.ask("checkpoint", **named(delivery, step="extract", value={"rows": 3}))
    again = socket.ask("checkpoint", **named(delivery, step="extract", value={"rows": 4}))

    [told] = first["results"]
    at = told["checkpoint"].pop("at")
    plain = {"step": "extract", "attempt": 1, "size": 10, "content_type": "application/json"}
    assert told == {
        "intent_id": delivery["intent_id"], "step": "extract", "ok": True, "created": True, "checkpoint": plain,
    }  # fmt: skip
    stored = {**plain, "at": at, "value": {"rows": 3}}
    assert again["results"] == [{**told, "created": False, "checkpoint": stored}]
    assert saved(operator, delivery["intent_id"]) == [stored]
    assert operator.story(delivery["intent_id"]) == ["created", "submitted", "delivered", "in_progress"]


def test_many_steps_of_many_intents_are_judged_each_by_itself(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    operator.submit(worker)
    operator.submit(worker)
    one, two = socket.deliveries(2)
    socket.ask("complete", **named(two))

    answer = socket.ask(
        "checkpoint",
        items=[
            named(one, step="a", value=None),
            named(one, step="b", value_base64="AAEC", content_type="image/png"),
            named(two, step="a", value=1),
            named(one, step="..", value=1),
            named(one, step="c"),
            named(one, step="c", value=1, value_base64="AA=="),
            named(one, step="c", value=1, content_type="text/plain"),
            named(one, step="c", value_base64="?"),
            {"intent_id": str(uuid4()), "step": "c", "value": 1},
            {"intent_id": one["intent_id"], "lease": str(uuid4()), "step": "c", "value": 1},
            named(one, step="a", value=2),
        ],
    )

    bad = "validation_error"
    assert codes(answer) == [
        None, None, "intent_terminal", bad, bad, bad, bad, bad, "not_found", "lease_lost", None,
    ]  # fmt: skip
    assert answer["results"][-1]["checkpoint"]["value"] is None
    assert [(each["step"], each["content_type"]) for each in saved(operator, one["intent_id"])] == [
        ("a", "application/json"), ("b", "image/png"),
    ]  # fmt: skip


def test_without_a_ref_only_what_went_wrong_is_told(socket: Socket, delivery: Frame) -> None:
    socket.say("checkpoint", **named(delivery, step="a", value=1))
    assert socket.hears_nothing("result", 0.3)

    socket.say("checkpoint", **named(delivery, step="/", value=1))
    assert codes(socket.hear("result")) == ["validation_error"]


def test_without_a_lease_the_connection_has_to_hold_the_delivery(
    operator: Operator, worker: Account, socket: Socket, delivery: Frame, connect: Connect
) -> None:
    other = connect(worker.key)
    other.hello(worker)
    bare = {"intent_id": delivery["intent_id"], "step": "a", "value": 1}
    usage = {"intent_id": delivery["intent_id"], "tokens": 1}

    assert codes(other.ask("checkpoint", **bare)) == codes(other.ask("report", **usage)) == ["lease_lost"]
    assert codes(socket.ask("checkpoint", **bare)) == codes(socket.ask("report", **usage)) == [None]
    assert codes(other.ask("checkpoint", **named(delivery, step="b", value=1))) == [None]


def test_what_ends_an_intent_waits_for_what_was_saved_before(
    operator: Operator, worker: Account, socket: Socket
) -> None:
    for _ in range(10):
        operator.submit(worker)
    deliveries = socket.deliveries(10)

    for delivery in deliveries:
        for step in range(5):
            socket.say("checkpoint", **named(delivery, step=f"step {step}", value=step))
        socket.say("report", **named(delivery, tokens=3))
        socket.say("complete" if step % 2 else "fail", **named(delivery))
    wait_until(
        lambda: all(operator.status(each["intent_id"]) in ("COMPLETED", "FAILED") for each in deliveries)
    )

    for delivery in deliveries:
        assert [each["value"] for each in saved(operator, delivery["intent_id"])] == [0, 1, 2, 3, 4]
        assert len(operator.story(delivery["intent_id"])) == 3 + 5 + 1 + 1
    assert socket.hears_nothing("result", 0.1)


@pytest.mark.parametrize("kind", ["checkpoint", "report"])
def test_a_submitter_without_an_address_saves_nothing(
    connect: Connect, operator: Operator, socket: Socket, delivery: Frame, kind: str
) -> None:
    submitter = connect(operator.key)
    submitter.ask("hello")

    answer = submitter.ask(kind, **named(delivery, step="a", value=1, tokens=1))

    assert (answer["type"], answer["error"]["code"]) == ("error", "wrong_state")


def test_another_agent_and_another_tenant_save_nothing(
    operator: Operator, rivals: Operator, connect: Connect, delivery: Frame
) -> None:
    heard = []
    for whose in (operator, rivals):
        account = whose.register()
        other = connect(account.key)
        other.hello(account)
        heard.append(codes(other.ask("checkpoint", **named(delivery, step="a", value=1))))
        heard.append(codes(other.ask("report", **named(delivery, tokens=1))))

    assert heard == [["forbidden"], ["forbidden"], ["not_found"], ["not_found"]]
    assert saved(operator, delivery["intent_id"]) == []


# -- what a later attempt hears ---------------------------------------------------------------------------------


def test_the_next_attempt_is_given_what_was_saved(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    intent_id = operator.submit(worker, traceparent=TRACE)
    with Socket(operator.base_url, worker.key) as first:
        first.hello(worker)
        delivery = first.delivery()
        assert (delivery["checkpoint_count"], delivery["checkpoints"]) == (0, [])
        assert delivery["traceparent"] == TRACE
        first.ask("checkpoint", **named(delivery, step="extract", value={"rows": 3}))
        first.ask("checkpoint", **named(delivery, step="blob", value_base64="AAEC"))

    second = connect(worker.key)
    second.hello(worker)
    again = second.delivery()

    assert (again["intent_id"], again["attempt"], again["redelivery"]) == (intent_id, 2, True)
    assert again["checkpoint_count"] == 2
    assert [(each["step"], each["attempt"]) for each in again["checkpoints"]] == [("extract", 1), ("blob", 1)]
    assert again["checkpoints"][0]["value"] == {"rows": 3}
    assert base64.b64decode(again["checkpoints"][1]["value_base64"]) == b"\x00\x01\x02"
    assert again["checkpoints"] == saved(operator, intent_id)
    shown = operator.intent(intent_id)
    assert (shown["checkpoint_count"], shown["checkpoints"]) == (2, again["checkpoints"])
    assert shown["traceparent"] == TRACE


def test_what_is_too_much_for_a_frame_is_left_out_of_it_values_first(
    operator: Operator, worker: Account, connect: Connect
) -> None:
    intent_id = operator.submit(worker)
    with Socket(operator.base_url, worker.key) as first:
        first.hello(worker)
        delivery = first.delivery()
        for number in range(6):
            item = named(delivery, step=f"large {number}", value="x" * 15_000)
            assert first.ask("checkpoint", **item)["ok"]
        names = [f"{number:03} " + "n" * 240 for number in range(300)]
        for start in range(0, 300, 100):
            items = [named(delivery, step=name, value=1) for name in names[start : start + 100]]
            assert first.ask("checkpoint", items=items)["ok"]

    second = connect(worker.key)
    second.hello(worker)
    again = second.delivery()

    assert again["checkpoint_count"] == 306
    assert 100 < len(again["checkpoints"]) < 306
    assert len(json.dumps(again["checkpoints"], separators=(",", ":"))) <= 64 * 1024
    assert [each["step"] for each in again["checkpoints"][:7]] == [
        *(f"large {n}" for n in range(6)),
        names[0],
    ]
    assert again["checkpoints"][0]["value_omitted"] is True
    assert len(saved(operator, intent_id)) == 306


def test_a_superseded_attempt_saves_nothing_and_hears_so(
    commons: Perdure, operator: Operator, socket: Socket, delivery: Frame
) -> None:
    # As if its process had been stopped for longer than the lease: somebody else has been given it.
    in_database(
        commons,
        "UPDATE intents_delivery SET lease_token = gen_random_uuid(), lease_session = gen_random_uuid(),"
        " attempt = 2 WHERE intent_id = %s RETURNING id",
        delivery["intent_id"],
    )

    late = socket.ask("checkpoint", **named(delivery, step="late", value=1))
    told = socket.ask("report", **named(delivery, tokens=1))

    assert codes(late) == codes(told) == ["lease_lost"]
    assert saved(operator, delivery["intent_id"]) == []


# -- report -----------------------------------------------------------------------------------------------------


def test_reports_become_events(operator: Operator, socket: Socket, delivery: Frame) -> None:
    usage = {"cost_usd": 0.0125, "tokens": 1830, "model": "small-1"}

    answer = socket.ask("report", items=[named(delivery, **usage), named(delivery, tokens=7)])

    assert [each["seq"] for each in answer["results"]] == [4, 5]
    events = operator.events(delivery["intent_id"])
    assert [event["details"] for event in events[3:]] == [{"usage": usage}, {"usage": {"tokens": 7}}]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("report", {}),
        ("report", {"tokens": -1}),
        ("report", {"cost_usd": "1"}),
        ("report", {"items": []}),
        ("report", {"items": 3}),
        ("report", {"tokens": 1, "intent_id": "x"}),
        ("report", {"tokens": 1, "lease": 3}),
        ("checkpoint", {}),
        ("checkpoint", {"step": 3, "value": 1}),
        ("checkpoint", {"step": "a", "value": 1, "lease": "x"}),
        ("checkpoint", {"step": "a", "value_base64": 3}),
        ("checkpoint", {"step": "a", "value": 1, "content_type": []}),
        ("checkpoint", {"items": [{}] * 501}),
    ],
)
def test_what_is_no_frame_is_refused(
    operator: Operator, socket: Socket, delivery: Frame, kind: str, fields: dict[str, Any]
) -> None:
    answer = socket.ask(kind, **{**named(delivery), **fields})

    assert (answer["type"], answer["error"]["code"]) == ("error", "invalid_frame")
    assert saved(operator, delivery["intent_id"]) == []
