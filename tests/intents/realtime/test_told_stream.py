"""The stream of a client that is told all (`told=1`): what a websocket would be to it, where there is none."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.intents.realtime.conftest import Connect
from tests.intents.realtime.streams import Open, new_process
from tests.live import Account, Operator, in_database
from tests.servers import Perdure, wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_it_is_welcomed_and_given_as_many_as_it_asks_for(
    operator: Operator, worker: Account, curl: Open
) -> None:
    for _ in range(4):
        operator.submit(worker)

    with curl("told=1&max_in_flight=3&wait_seconds=1") as stream:
        deliveries = stream.hear(3)
        [welcome] = stream.events("delivery.welcome")

        assert stream.events()[0] == welcome
        assert (welcome.data["address"], welcome.data["max_in_flight"]) == (worker.address, 3)
        assert welcome.data["lease_seconds"] > welcome.data["heartbeat_seconds"] > 0
        # An end makes room, and nothing else does: not even time.
        lease = {"x-perdure-lease": deliveries[0].data["lease_token"]}
        intent_id = deliveries[0].data["intent_id"]
        operator.http.post(
            f"/v1/intents/{intent_id}/resolve",
            json={"status": "COMPLETED", "result": {}},
            headers={**worker.headers, **lease},
        ).raise_for_status()
        stream.hear(4)
        assert stream.events("delivery.canceled")[0].data["status"] == "COMPLETED"


def test_it_is_told_of_ends_and_of_what_was_taken_away(
    operator: Operator, worker: Account, curl: Open
) -> None:
    canceled, taken = operator.submit(worker), operator.submit(worker)

    with curl("told=1&max_in_flight=2&wait_seconds=20") as stream:
        stream.hear(2)
        operator.http.post(
            f"/v1/intents/{canceled}/resolve", json={"status": "CANCELED", "reason": "no longer"}
        ).raise_for_status()
        wait_until(lambda: stream.events("delivery.canceled"), 30, "it is told of the end")
        operator.http.post(f"/v1/intents/{taken}/redeliver").raise_for_status()
        wait_until(lambda: stream.events("delivery.lease_lost"), 30, "it is told of the loss")

        [ended] = stream.events("delivery.canceled")
        assert ended.data == {"intent_id": canceled, "status": "CANCELED", "reason": "no longer"}
        [lost] = stream.events("delivery.lease_lost")
        first = next(each for each in stream.deliveries() if each.data["intent_id"] == taken)
        assert lost.data == {"intent_id": taken, "lease": first.data["lease_token"]}
        again = stream.hear(3)[2]  # nobody else is there
        assert (again.data["intent_id"], again.data["delivery_attempt"]) == (taken, 2)


def test_a_delivery_it_released_makes_room_and_comes_again(
    operator: Operator, worker: Account, curl: Open, client: httpx.Client
) -> None:
    intent_id = operator.submit(worker)

    with curl("told=1&max_in_flight=1&wait_seconds=20") as stream:
        [first] = stream.hear()
        client.post(
            f"/v1/intents/{intent_id}/release", headers={"x-perdure-lease": first.data["lease_token"]}
        ).raise_for_status()
        [_, second] = stream.hear(2)

    assert (second.data["intent_id"], second.data["delivery_attempt"]) == (intent_id, 2)


def test_its_leases_are_renewed_by_itself_and_not_by_the_server(
    commons: Perdure, operator: Operator, worker: Account, curl: Open, client: httpx.Client
) -> None:
    intent_id = operator.submit(worker)
    query = "SELECT lease_expires_at FROM intents_delivery WHERE intent_id = %s"
    with curl("told=1&wait_seconds=20") as stream:
        [delivery] = stream.hear()
        in_database(
            commons,
            "UPDATE intents_delivery SET lease_expires_at = statement_timestamp() + interval '1 second'"
            " WHERE intent_id = %s",
            intent_id,
        )
        [(before,)] = in_database(commons, query, intent_id)
        client.post(
            f"/v1/intents/{intent_id}/extend", headers={"x-perdure-lease": delivery.data["lease_token"]}
        ).raise_for_status()
        [(after,)] = in_database(commons, query, intent_id)

        assert after > before
        # One that is not renewed runs out, though the stream is open; then another is given the intent.
        in_database(
            commons,
            "UPDATE intents_delivery SET lease_expires_at = statement_timestamp() WHERE intent_id = %s",
            intent_id,
        )
        with new_process(commons, worker, web=1) as other, curl("told=1", client=other) as second:
            stolen = second.hear(deadline=20)[0]
    assert stolen.data["delivery_attempt"] == 2


def test_a_lease_lost_while_it_renewed_nothing_is_told_with_the_next_sign_of_life(
    commons: Perdure, operator: Operator, worker: Account, curl: Open
) -> None:
    intent_id = operator.submit(worker)
    with curl("told=1&wait_seconds=60") as stream:
        stream.hear()
        in_database(
            commons, "UPDATE intents_delivery SET lease_token = %s WHERE intent_id = %s", uuid4(), intent_id
        )

        wait_until(lambda: stream.events("delivery.lease_lost"), 30, "it is told of the loss")


@pytest.mark.parametrize("room", ["0", "10001", "-1", "x", "", "1.5"])
def test_room_that_nobody_can_have_is_refused(worker: Account, client: httpx.Client, room: str) -> None:
    refused = client.get(f"/v1/agents/{worker.name}/intents/stream?told=1&max_in_flight={room}")

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_error")


def test_a_delivery_has_the_trace_and_what_earlier_attempts_saved(
    operator: Operator, worker: Account, curl: Open, connect: Connect
) -> None:
    intent_id = operator.submit(worker, {"rows": 3}, traceparent=TRACE)
    with curl("told=1") as stream:
        [first] = stream.hear()
        lease = {"x-perdure-lease": first.data["lease_token"], **worker.headers}
        for step, content, kind in (
            ("extract", b'{"rows":3}', "application/json"),
            ("photo", b"\x00\x01", "image/png"),
            ("large", b"x" * 20_000, "text/plain"),
        ):
            operator.http.put(
                f"/v1/intents/{intent_id}/checkpoints/{step}",
                content=content,
                headers={**lease, "content-type": kind},
            ).raise_for_status()
    with curl() as stream:
        [second] = stream.hear()

    assert (first.data["traceparent"], first.data["checkpoint_count"]) == (TRACE, 0)
    assert (second.data["traceparent"], second.data["checkpoint_count"]) == (TRACE, 3)
    saved = {each["step"]: each for each in second.data["checkpoints"]}
    assert list(saved) == ["extract", "photo", "large"]
    assert saved["extract"]["value"] == {"rows": 3}
    assert saved["photo"]["value_base64"] == "AAE="
    assert (saved["large"]["size"], saved["large"]["value_omitted"]) == (20_000, True)
    assert {each["attempt"] for each in saved.values()} == {1}
