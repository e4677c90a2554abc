"""Bad input is refused in the envelope, never with a 5xx, and changes nothing."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.controlplane.bad_frames import BAD_FRAMES
from tests.controlplane.bad_input import Case, cases
from tests.live import Account, Operator, in_database
from tests.servers import Perdure

#: All that belongs to an organization, but for when it was last heard of.
STATE = """
    SELECT md5(concat_ws('|',
        (SELECT string_agg(intent::text, ',' ORDER BY intent.id) FROM intents_intent AS intent
            WHERE organization_id = %(org)s),
        (SELECT string_agg(event::text, ',' ORDER BY event.intent_id, event.seq) FROM intents_event AS event
            JOIN intents_intent AS intent ON intent.id = event.intent_id WHERE intent.organization_id = %(org)s),
        (SELECT string_agg(delivery::text, ',' ORDER BY delivery.id) FROM intents_delivery AS delivery
            JOIN intents_intent AS intent ON intent.id = delivery.intent_id WHERE intent.organization_id = %(org)s),
        (SELECT string_agg(concat_ws(' ', address, status, description, display_name, delivery_mode, max_in_flight),
            ',' ORDER BY id) FROM agents_agent WHERE organization_id = %(org)s),
        (SELECT string_agg(concat_ws(' ', id, revoked_at, scopes::text), ',' ORDER BY id)
            FROM agents_apikey WHERE organization_id = %(org)s),
        (SELECT string_agg(thread::text, ',' ORDER BY id) FROM intents_thread AS thread
            WHERE organization_id = %(org)s)
    ))
"""


class Target:
    """An organization of its own with one open intent, so that whatever changes in it was us."""

    def __init__(self, perdure: Perdure, operator: Operator) -> None:
        self.perdure = perdure
        self.operator = operator
        self.worker: Account = operator.register()
        self.intent_id = operator.submit(self.worker)

    def fill(self, text: str) -> str:
        """The text with what exists in the place of its names."""
        for name, value in (
            ("intent", self.intent_id),
            ("name", self.worker.name),
            ("account", self.worker.id),
            ("key", self.worker.key_id),
            ("secret", self.operator.key),
        ):
            text = text.replace("{%s}" % name, value)  # noqa: UP031 (the braces are the name's)
        return text

    def state(self) -> str:
        """A word for all that the organization has."""
        [(digest,)] = in_database(self.perdure, STATE, org=self.operator.org_id)
        return str(digest)

    def send(self, case: Case) -> tuple[int, dict[str, str], bytes]:
        """Send the request exactly as it is written: status, headers and body of the answer."""
        body = (
            case.body if len(case.body) > 10_000 else self.fill(case.body.decode("latin1")).encode("latin1")
        )
        headers = {"Host": "test", "Content-Type": "application/json", "Content-Length": str(len(body))}
        if case.has_key:
            headers["x-api-key"] = self.operator.key
        headers |= {name: self.fill(value) for name, value in case.headers.items()}
        lines = [f"{case.method} {self.fill(case.path)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value or name != "x-api-key"]
        web = self.perdure.web[0]
        with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
            with http.client.HTTPResponse(connection, method=case.method) as response:
                response.begin()
                return response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()


@pytest.fixture(scope="module")
def target(commons: Perdure) -> Iterator[Target]:
    with Operator.of_another_tenant(commons) as operator:
        yield Target(commons, operator)


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    names = [case.name for case in cases()]

    assert len(names) + len(BAD_FRAMES) >= 150
    assert len(
        {(case.method, case.path, case.body, str(case.headers), case.has_key) for case in cases()}
    ) == len(names)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases()])
def test_a_bad_request_is_refused_in_the_envelope_and_changes_nothing(target: Target, case: Case) -> None:
    before = target.state()

    status, headers, content = target.send(case)

    assert 400 <= status < 500, content[:500]
    assert headers["content-type"].startswith("application/json")
    assert headers["x-request-id"]
    answer = json.loads(content)
    error: dict[str, Any] = answer["error"]
    assert isinstance(error["code"], str)
    assert error["code"].islower()
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert isinstance(answer["detail"], str)
    assert answer["detail"]
    assert len(content) < 20_000
    assert target.operator.key not in content.decode()
    assert target.state() == before


@pytest.mark.parametrize("text", BAD_FRAMES, ids=lambda text: text[:60].encode("unicode_escape").decode())
def test_a_bad_frame_is_answered_with_what_is_wrong_and_changes_nothing(target: Target, text: str) -> None:
    other = target.operator.register()  # its own deliveries are none
    before = target.state()
    url = target.perdure.base_url.replace("http", "ws") + "/ws/agent"
    with connect(url, additional_headers=other.headers, max_size=None) as websocket:
        websocket.send(json.dumps({"type": "hello", "address": other.address}))
        assert json.loads(websocket.recv(5))["type"] == "welcome"
        websocket.send(target.fill(text) if len(text) < 10_000 else text)
        answer = json.loads(websocket.recv(5))
        websocket.send(json.dumps({"type": "heartbeat", "ref": "still there"}))
        assert json.loads(websocket.recv(5)) == {
            "type": "result",
            "ref": "still there",
            "ok": True,
            "results": [],
        }

    if answer["type"] == "result":
        assert answer["ok"] is False
        errors = [each["error"] for each in answer["results"] if not each["ok"]]
        assert errors
    else:
        assert answer["type"] == "error"
        errors = [answer["error"]]
    assert all(error["code"] != "internal_error" and error["message"] for error in errors)
    assert target.state() == before


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"BREW /v1/intents HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v1/intents HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/intents HTTP/1.1\r\nHost: a\r\nContent-Length: two\r\n\r\n",
        b"POST /v1/intents HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v1/intents HTTP/1.1\r\nHost: a\r\nx-api-key: \x00\r\n\r\n",
        b"GET /v1/intents HTTP/1.1\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=lambda request_: repr(request_[:40]),
)
def test_what_is_no_http_at_all_is_refused_by_the_server_and_harms_nobody(
    target: Target, request_: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", target.perdure.web[0].port), timeout=30) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(100)

    assert answer == b"" or answer.split(b" ")[1].startswith(b"4")
    assert target.perdure.web[0].is_answering()


def test_a_batch_answers_a_bad_intent_by_itself_and_keeps_the_good_ones(target: Target) -> None:
    good = {"intent_type": "test.work.v1", "to_agent": target.worker.name, "payload": {}}

    answer = target.operator.post(
        "/v1/intents/batch", {"intents": [good, 3, None, {}, {**good, "to_agent": "http://x"}, good]}
    )

    assert [each.get("ok") for each in answer["results"]] == [True, False, False, False, False, True]
    assert all(each["error"]["code"] for each in answer["results"] if not each["ok"])
