"""The stream of one intent's events: everything once, in order, then its end."""

from __future__ import annotations

from contextlib import ExitStack
from uuid import uuid4

import pytest

from tests.intents.realtime.streams import reading
from tests.live import Account, Operator, in_database
from tests.servers import Perdure, wait_until


def test_what_has_happened_comes_first_then_what_happens_then_the_end(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with (
        operator.at(commons, 1) as there,
        reading(operator.http, f"/v1/intents/{intent_id}/events/stream?since=0&wait_seconds=30") as stream,
    ):
        wait_until(lambda: len(stream.events()) == 2, 30, "the beginning")
        assert not stream.has_ended
        there.post(f"/v1/intents/{intent_id}/resolve", {"status": "COMPLETED", "result": {"rows": 3}})
        shown = stream.wait(3)

    assert [event.name for event in shown] == ["intent.created", "intent.submitted", "intent.completed"]
    assert [event.id for event in shown] == [1, 2, 3]
    assert shown[-1].data["result"] == {"rows": 3}
    assert [event.data for event in shown] == operator.events(intent_id)


def test_a_long_history_is_told_whole_and_with_its_end(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    in_database(
        commons,
        "INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)"
        " SELECT %(intent)s, seq, 'intent.in_progress', 'IN_PROGRESS', 'test', '{}', now()"
        " FROM generate_series(3, 5000) AS seq",
        intent=intent_id,
    )
    in_database(
        commons, "UPDATE intents_intent SET status = 'IN_PROGRESS', seq = 5000 WHERE id = %s", intent_id
    )
    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED", "reason": "enough"})

    with reading(operator.http, f"/v1/intents/{intent_id}/events/stream?since=0") as stream:
        stream.wait(30)

    assert [event.id for event in stream.events()] == list(range(1, 5002))
    assert stream.events()[-1].name == "intent.canceled"


def test_a_cursor_far_beyond_the_end_keeps_nobody_else_from_seeing(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    mine, other = operator.submit(worker), operator.submit(worker)
    path = "/v1/intents/{}/events/stream?wait_seconds=60&since={}"
    with (
        reading(operator.http, path.format(mine, 2**62)),
        reading(operator.http, path.format(other, 0)) as stream,
    ):
        wait_until(lambda: len(stream.events()) == 2, 30, "the other's beginning")


@pytest.mark.parametrize("since", [0, 1, 2])
def test_the_cursor_is_exclusive(operator: Operator, worker: Account, since: int) -> None:
    intent_id = operator.submit(worker)
    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED", "reason": "enough"})

    with reading(operator.http, f"/v1/intents/{intent_id}/events/stream?since={since}") as stream:
        shown = stream.wait(3)

    assert [event.id for event in shown] == list(range(since + 1, 4))
    assert not any(event.name == "stream.timeout" for event in shown)


def test_a_client_goes_on_from_the_last_event_it_names(operator: Operator, worker: Account) -> None:
    intent_id = operator.submit(worker)
    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED", "reason": "enough"})

    with reading(operator.http, f"/v1/intents/{intent_id}/events/stream", last_event_id="2") as stream:
        assert [event.id for event in stream.wait(3)] == [3]


def test_a_stream_with_nothing_to_come_is_held_for_two_seconds_at_most(
    operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED", "reason": "enough"})

    with reading(operator.http, f"/v1/intents/{intent_id}/events/stream?since=3&wait_seconds=30") as stream:
        [timeout] = stream.wait(4)

    assert timeout.data == {"next_seq": 3}
    assert stream.ended_at is not None
    assert 1 < stream.ended_at - stream.opened_at < 3.5


def test_a_stream_without_news_ends_after_wait_seconds(operator: Operator, worker: Account) -> None:
    intent_id = operator.submit(worker)

    with reading(operator.http, f"/v1/intents/{intent_id}/events/stream?since=2&wait_seconds=1") as stream:
        stream.wait(3)

    assert stream.content == b'event: stream.timeout\ndata: {"next_seq":2}\n\n'


def test_many_watch_one_intent_and_all_see_all(operator: Operator, commons: Perdure, worker: Account) -> None:
    intent_id = operator.submit(worker)
    with ExitStack() as stack:
        clients = [stack.enter_context(operator.at(commons, number % 2)) for number in range(20)]
        path = f"/v1/intents/{intent_id}/events/stream?wait_seconds=30"
        streams = [stack.enter_context(reading(client.http, path)) for client in clients]
        operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "FAILED", "error": {"code": "x"}})
        seen = [[event.id for event in stream.wait(30)] for stream in streams]

    assert seen == [[1, 2, 3]] * 20


@pytest.mark.parametrize("query", ["since=-1", "since=x", "wait_seconds=0", "wait_seconds=61", "since=1.0"])
def test_a_bad_parameter_is_an_ordinary_error(operator: Operator, worker: Account, query: str) -> None:
    answer = operator.http.get(f"/v1/intents/{operator.submit(worker)}/events/stream?{query}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")


def test_a_foreign_intent_is_as_unknown_as_one_that_does_not_exist(
    operator: Operator, worker: Account, rivals: Operator
) -> None:
    answers = [
        rivals.http.get(f"/v1/intents/{each}/events/stream") for each in (operator.submit(worker), uuid4())
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
