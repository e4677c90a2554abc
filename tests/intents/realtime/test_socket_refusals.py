"""What the websocket refuses: with an error frame where the connection can go on, with a close code where not."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as open_websocket

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.sockets import named
from tests.live import Account, Operator
from tests.servers import Perdure

LEASE = {"intent_id": str(uuid4()), "lease": str(uuid4())}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("NaN", "invalid_json"),
        ('{"type": "heartbeat", "x": NaN}', "invalid_json"),
        ('{"type": "heartbeat", "x": "\\ud800"}', "invalid_json"),
        ('{"type": "heartbeat", "x": "\\u0000"}', "invalid_json"),
        ("[" * 100 + "]" * 100, "invalid_json"),
        ("null", "invalid_frame"),
        ("[]", "invalid_frame"),
        ("3", "invalid_frame"),
        ('"heartbeat"', "invalid_frame"),
        ("{}", "invalid_frame"),
        ('{"type": 3}', "invalid_frame"),
        ('{"type": null}', "invalid_frame"),
        ('{"type": ["hello"]}', "invalid_frame"),
        ('{"type": "teleport"}', "unknown_frame"),
        ('{"type": "Hello"}', "unknown_frame"),
        ('{"type": ""}', "unknown_frame"),
        ('{"type": "' + "x" * 10_000 + '"}', "unknown_frame"),
        ('{"type": "heartbeat", "ref": {"a": 1}}', "invalid_frame"),
    ],
)
def test_a_text_that_is_no_frame_is_answered_with_an_error(
    connect: Connect, worker: Account, text: str, code: str
) -> None:
    socket = connect(worker.key)
    socket.connection.send(text)

    error = socket.hear("error")

    assert error["error"]["code"] == code
    assert 0 < len(error["error"]["message"]) < 500
    assert socket.hello(worker)["type"] == "welcome"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ('{"type": "heartbeat", "ref": 7, "x": "\\u0000"}', 7),
        ('{"type": "heartbeat", "ref": "a", "x": NaN}', "a"),
        ('{"type": "heartbeat", "ref": "a", "x": "\\ud800"}', "a"),
        ('{"type": "heartbeat", "ref": 8, "x": ' + "[" * 100 + "]" * 100 + "}", 8),
        ('{"ref": {"a": NaN}}', None),
        ('{"ref": true, "x": NaN}', None),
        ('{"ref": "\\ud800"}', None),
        ('{"ref": 1' + "0" * 5000 + ', "x": NaN}', None),
        ('["ref", NaN]', None),
        ('{"ref": 7', None),
        ("[" * 100_000, None),
    ],
)
def test_a_frame_that_is_refused_unread_is_answered_by_its_ref_where_one_can_be_read(
    connect: Connect, worker: Account, text: str, ref: object
) -> None:
    socket = connect(worker.key)
    socket.connection.send(text)

    error = socket.hear("error")

    assert (error["ref"], error["error"]["code"]) == (ref, "invalid_json")


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "hello", "max_in_flight": 0},
        {"type": "hello", "max_in_flight": 10_001},
        {"type": "hello", "max_in_flight": "many"},
        {"type": "hello", "address": 3},
        {"type": "hello", "address": "x" * 384},
        {"type": "hello", "client": "x" * 201},
        {"type": "submit"},
        {"type": "submit", "intents": []},
        {"type": "submit", "intents": {}},
        {"type": "submit", "intents": [3]},
        {"type": "submit", "intents": [{}] * 501},
        {"type": "submit", "intents": [{}], "watch": "perhaps"},
        {"type": "watch", "intents": ["not an id"]},
        {"type": "watch", "intents": [str(uuid4())] * 501},
        {"type": "complete"},
        {"type": "complete", "deliveries": []},
        {"type": "complete", "deliveries": "all"},
        {"type": "complete", "deliveries": [LEASE] * 501},
        {"type": "complete", "intent_id": LEASE["intent_id"]},
        {"type": "complete", "lease": LEASE["lease"]},
        {"type": "complete", "intent_id": "x", "lease": "y"},
        {"type": "acknowledge", "deliveries": [None]},
        {"type": "fail", "error": [1], **LEASE},
        {"type": "fail", "deliveries": [{**LEASE, "retryable": True}, LEASE]},
        {"type": "release", "delay": -1, **LEASE},
        {"type": "release", "delay": 8 * 24 * 3600, **LEASE},
        {"type": "release", "delay": "soon", **LEASE},
        {"type": "extend", "deliveries": {}},
    ],
    ids=lambda frame: json.dumps(frame)[:60],
)
def test_a_frame_with_a_bad_field_is_answered_with_an_error_that_names_its_ref(
    connect: Connect, worker: Account, frame: dict[str, Any]
) -> None:
    socket = connect(worker.key)
    if frame["type"] != "hello":
        socket.hello(worker)
    socket.connection.send(json.dumps({**frame, "ref": 7}))

    error = socket.hear("error")

    assert (error["ref"], error["error"]["code"]) == (7, "invalid_frame")
    assert socket.ask("heartbeat")["ok"] is True


@pytest.mark.parametrize("kind", ["acknowledge", "complete", "fail", "release", "extend"])
def test_whoever_has_not_said_hello_holds_nothing(connect: Connect, worker: Account, kind: str) -> None:
    answer = connect(worker.key).ask(kind, **LEASE)

    assert (answer["type"], answer["error"]["code"]) == ("error", "wrong_state")


def test_hello_is_said_once(connect: Connect, worker: Account) -> None:
    socket = connect(worker.key)
    socket.hello(worker)

    answer = socket.hello(worker)

    assert (answer["type"], answer["error"]["code"]) == ("error", "wrong_state")
    assert socket.ask("heartbeat")["ok"] is True


@pytest.mark.parametrize(
    "lease", [LEASE["lease"], "00000000-0000-0000-0000-000000000000"], ids=["any", "zero"]
)
def test_a_lease_that_nobody_gave_is_lost(
    connect: Connect, operator: Operator, worker: Account, lease: str
) -> None:
    socket = connect(worker.key)
    socket.hello(worker)
    operator.submit(worker)
    delivery = socket.delivery()

    answer = socket.ask("complete", intent_id=delivery["intent_id"], lease=lease)

    assert answer["results"][0]["error"]["code"] == "lease_lost"
    assert socket.ask("complete", **named(delivery))["ok"] is True


def test_a_key_that_may_not_submit_may_not_submit_here_either(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    only_agent = operator.post(f"/v1/service-accounts/{worker.id}/keys", {"scopes": ["agent"]})["key"][
        "token"
    ]
    me = operator.http.get("/v1/me", headers={"x-api-key": only_agent})
    if "intents:submit" in str(me.json()):
        pytest.skip("keys made over HTTP have all scopes of an agent")

    answer = connect(only_agent).ask("submit", intents=[{}])

    assert (answer["type"], answer["error"]["code"]) == ("error", "forbidden")


# -- close codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "nonsense", "axme_sa_sa_1_nonsense"])
def test_a_bad_key_closes_with_4401(connect: Connect, key: str) -> None:
    code, reason = connect(key).end()

    assert code == 4401
    assert reason in {"missing_platform_api_key", "invalid_platform_api_key", "invalid_actor_token"}


def test_another_agents_address_closes_with_4403(
    connect: Connect, operator: Operator, worker: Account
) -> None:
    socket = connect(worker.key)
    socket.say("hello", address=operator.register().address)

    assert socket.end()[0] == 4403


def test_another_tenants_address_closes_like_an_unknown_one(
    connect: Connect, operator: Operator, worker: Account, rivals: Operator
) -> None:
    ends = []
    for address in (rivals.register().address, "agent://nobody/production/worker"):
        socket = connect(worker.key)
        socket.say("hello", address=address)
        code, reason = socket.end()
        ends.append((code, reason.replace(address, "")[:20]))

    assert ends[0] == ends[1]
    assert ends[0][0] == 4404


@pytest.mark.parametrize("address", ["", " ", "http://example.com", "ü" * 200, "a/b/c/\u2028"])
def test_a_text_that_is_no_address_closes_with_4404(connect: Connect, worker: Account, address: str) -> None:
    socket = connect(worker.key)
    socket.say("hello", address=address)

    assert socket.end()[0] == 4404


@pytest.mark.parametrize("content", [b"", b"{}", b'{"type": "heartbeat"}', b"\xff\xfe"])
def test_a_binary_frame_closes_with_1003(connect: Connect, worker: Account, content: bytes) -> None:
    socket = connect(worker.key)
    socket.connection.send(content)

    assert socket.end()[0] == 1003


def test_an_oversize_frame_closes_with_1009(connect: Connect, worker: Account) -> None:
    socket = connect(worker.key)
    head = '{"type": "heartbeat", "x": "'
    socket.connection.send(head + "x" * (256 * 1024 + 1 - len(head) - 2) + '"}')

    assert socket.end()[0] == 1009


@pytest.mark.parametrize("size", [300 * 1024, 4 * 1024 * 1024])
def test_a_frame_far_too_large_is_not_even_read(connect: Connect, worker: Account, size: int) -> None:
    socket = connect(worker.key)
    with suppress(ConnectionClosed):  # while it is still sending
        socket.connection.send("x" * size)

    with suppress(ConnectionClosed):
        socket.connection.recv(5)
    # The end of the connection may overtake the frame that says why.
    assert socket.connection.close_code in {1009, 1006}


def test_the_largest_frame_is_taken(connect: Connect, worker: Account) -> None:
    socket = connect(worker.key)
    head = '{"type": "heartbeat", "ref": 1, "x": "'
    socket.connection.send(head + "x" * (256 * 1024 - len(head) - 2) + '"}')

    assert socket.hear("result", ref=1)["ok"] is True


# -- the handshake ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ws/", "/ws/other", "/ws/agent/", "/", "/v1/intents"])
def test_there_is_no_socket_elsewhere(commons: Perdure, worker: Account, path: str) -> None:
    address = commons.base_url.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as refused, open_websocket(address, additional_headers=worker.headers):
        pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
def test_a_browser_on_somebody_elses_page_is_refused(connect: Connect, worker: Account, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(worker.key, Origin=origin)

    assert refused.value.response.status_code == 403


def test_a_browser_on_our_own_page_is_let_in(commons: Perdure, connect: Connect, worker: Account) -> None:
    assert connect(worker.key, Origin=commons.base_url).hello(worker)["type"] == "welcome"
