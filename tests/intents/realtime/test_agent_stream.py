"""An agent's stream of server-sent events: its bytes, its parameters and its end."""

from __future__ import annotations

import re
from uuid import UUID

import httpx
import pytest

from tests.intents.realtime.streams import BUFFERED, Open, reading
from tests.live import Account, Operator
from tests.servers import wait_until

# -- bytes ------------------------------------------------------------------------------------------------------


def test_a_frame_is_what_the_protocols_clients_parse(operator: Operator, worker: Account, curl: Open) -> None:
    operator.submit(worker, {"rows": [1, 2]})

    with curl("wait_seconds=5") as stream:
        [delivery, timeout] = stream.wait()

    assert re.fullmatch(
        rb"id: (\d+)\nevent: intent\.delivered\ndata: \{[^\n]+\}\n\n"
        rb"event: stream\.timeout\ndata: \{\"next_seq\": ?\1\}\n\n",
        stream.content,
    )
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-cache"
    assert stream.response.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in stream.response.headers
    assert timeout.data == {"next_seq": delivery.id}


def test_a_delivery_says_all_that_an_agent_needs(operator: Operator, worker: Account, curl: Open) -> None:
    intent_id = operator.submit(worker, {"rows": [1, 2]})

    with curl("wait_seconds=5") as stream:
        data = stream.wait()[0].data

    assert UUID(data.pop("lease_token")).version == 4
    assert UUID(data.pop("correlation_id")).version == 4
    assert data.pop("seq") == stream.events()[0].id
    assert data.pop("at").endswith("Z")
    assert data == {
        "intent_id": intent_id,
        "event_type": "intent.delivered",
        "status": "DELIVERED",
        "intent_type": "test.work.v1",
        "from_agent": "agent://myorg/production/operator",
        "to_agent": worker.address,
        "delivery_attempt": 1,
        "max_delivery_attempts": 3,
        "redelivery": False,
        "payload": {"rows": [1, 2]},
        "checkpoint_count": 0,
        "checkpoints": [],
    }


def test_a_large_payload_stays_out_of_the_stream(operator: Operator, worker: Account, curl: Open) -> None:
    operator.submit(worker, {"text": "x" * 60_000})

    with curl("wait_seconds=5") as stream:
        [delivery, _] = stream.wait()

    assert "payload" not in delivery.data
    assert len(stream.content) < 32 * 1024


# -- parameters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        *(f"since={bad}" for bad in ("-1", "1.5", "x", "", "1e3", "%2B1", "٣", "9" * 30)),
        *(f"wait_seconds={bad}" for bad in ("0", "61", "-1", "1.5", "x", "", "inf")),
        "status=NONSENSE",
        "status=DELIVERED,NONSENSE",
    ],
)
def test_a_bad_parameter_is_an_ordinary_error(client: httpx.Client, worker: Account, query: str) -> None:
    answer = client.get(f"/v1/agents/{worker.name}/intents/stream?{query}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize(
    "form", ["{name}", "{bare}", "agent://{bare}", "agent%3A%2F%2F{escaped}", "agent:/{bare}"]
)
def test_the_address_may_be_written_in_every_form(
    operator: Operator, worker: Account, client: httpx.Client, form: str
) -> None:
    bare = worker.address.removeprefix("agent://")
    address = form.format(name=worker.name, bare=bare, escaped=bare.replace("/", "%2F"))
    operator.submit(worker)

    with reading(client, f"/v1/agents/{address}/intents/stream?wait_seconds=5", **BUFFERED) as stream:
        assert stream.wait()[0].data["to_agent"] == worker.address


def test_another_agents_stream_is_forbidden(operator: Operator, client: httpx.Client) -> None:
    answer = client.get(f"/v1/agents/{operator.register().name}/intents/stream?wait_seconds=1")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_another_tenants_stream_is_as_unknown_as_one_that_does_not_exist(
    rivals: Operator, client: httpx.Client
) -> None:
    foreign = rivals.register().address.removeprefix("agent://")
    answers = [
        client.get(f"/v1/agents/{each}/intents/stream") for each in (foreign, "no-one/production/worker")
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert {answer.json()["error"]["code"] for answer in answers} == {"agent_not_found"}


# -- holding and closing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["curl", "listen"])
def test_a_stream_without_work_is_held_and_says_where_to_go_on(
    read: str, request: pytest.FixtureRequest
) -> None:
    open_stream: Open = request.getfixturevalue(read)
    with open_stream("since=41&wait_seconds=1") as stream:
        [timeout] = stream.wait(5)

    assert stream.content == b'event: stream.timeout\ndata: {"next_seq":41}\n\n'
    assert timeout.data == {"next_seq": 41}
    assert stream.ended_at is not None
    assert 0.9 < stream.ended_at - stream.opened_at < 3


def test_a_buffered_reader_gets_the_end_soon_after_its_work(
    operator: Operator, worker: Account, curl: Open
) -> None:
    with curl("wait_seconds=30") as stream:
        assert not stream.has_ended
        operator.submit(worker)
        stream.hear()
        wait_until(lambda: stream.has_ended, 30, "the stream ends")

        assert [event.name for event in stream.events()] == ["intent.delivered", "stream.timeout"]


def test_a_buffered_reader_is_given_all_that_is_waiting_at_once(
    operator: Operator, worker: Account, curl: Open
) -> None:
    for _ in range(5):
        operator.submit(worker)
    with curl("wait_seconds=30") as stream:
        assert len(stream.wait(5)) == 6


def test_an_incremental_reader_is_held_until_its_work_is_done(
    operator: Operator, worker: Account, listen: Open
) -> None:
    intent_id = operator.submit(worker)
    with listen("wait_seconds=1") as stream:
        stream.hear()
        # Longer than wait_seconds: only an end of the work ends it.
        with pytest.raises(AssertionError, match="Not within"):
            wait_until(lambda: stream.has_ended, 2.5, "the stream ends")
        operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "COMPLETED", "result": {}})

        assert stream.wait(5)[-1].name == "stream.timeout"


def test_a_stream_that_is_held_says_something_every_ten_seconds(
    operator: Operator, worker: Account, listen: Open
) -> None:
    operator.submit(worker)
    with listen("wait_seconds=2") as stream:
        stream.hear()
        wait_until(lambda: b": ping\n\n" in stream.content, 13, "a comment")


def test_whoever_says_so_is_held_like_an_incremental_reader(
    operator: Operator, worker: Account, curl: Open
) -> None:
    operator.submit(worker)
    with curl("wait_seconds=1&hold=1") as stream:
        stream.hear()
        with pytest.raises(AssertionError, match="Not within"):
            wait_until(lambda: stream.has_ended, 2, "the stream ends")


def test_one_unfinished_delivery_does_not_block_the_queue_for_longer_than_wait_seconds(
    operator: Operator, worker: Account, listen: Open
) -> None:
    first, second = operator.submit(worker), operator.submit(worker)
    with listen("wait_seconds=2") as stream:
        assert [event.data["intent_id"] for event in stream.hear()] == [first]
        with pytest.raises(AssertionError, match="Not within"):
            stream.hear(2, deadline=1)

        assert [event.data["intent_id"] for event in stream.hear(2, deadline=20)] == [first, second]


# -- what has ended ---------------------------------------------------------------------------------------------


def test_ended_intents_can_be_looked_at_without_being_delivered(
    operator: Operator, worker: Account, curl: Open
) -> None:
    intent_id = operator.submit(worker)
    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "COMPLETED", "result": {}})

    with curl("status=completed,failed&wait_seconds=1") as stream:
        shown = stream.wait()

    assert [event.data["intent_id"] for event in shown[:-1]] == [intent_id]
    assert shown[0].data["status"] == "COMPLETED"
    assert shown[-1].name == "stream.timeout"
    assert operator.intent(intent_id)["delivery_attempt"] == 0
