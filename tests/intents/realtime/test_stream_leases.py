"""Whose the leases of an agent's event stream are, and when they end."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.intents.realtime.streams import Open, new_process
from tests.live import Account, Operator, in_database
from tests.servers import Perdure


def test_the_lease_of_an_incremental_reader_ends_with_its_connection(
    commons: Perdure, operator: Operator, worker: Account, listen: Open
) -> None:
    intent_id = operator.submit(worker)
    with listen() as stream:
        [lost] = stream.hear()
        operator.http.get(f"/v1/intents/{intent_id}", headers=worker.headers)
    with new_process(commons, worker, web=1) as other, listen(client=other) as stream:
        [again] = stream.hear(deadline=15)

    assert (again.data["intent_id"], again.data["delivery_attempt"]) == (intent_id, 2)
    assert (again.name, again.data["status"]) == ("intent.in_progress", "IN_PROGRESS")
    assert again.data["redelivery"] is True
    assert again.data["seq"] > lost.data["seq"]


def test_a_restarted_curl_takes_over_what_the_last_one_had(
    commons: Perdure, operator: Operator, worker: Account, curl: Open
) -> None:
    intent_id = operator.submit(worker)
    with curl() as stream:
        [first, _] = stream.wait()
    with (
        new_process(commons, worker, web=1) as restarted,
        curl("since=0&wait_seconds=5", client=restarted) as stream,
    ):
        [again] = stream.hear(deadline=15)

    assert again.data["intent_id"] == intent_id
    assert again.data["redelivery"] is True
    assert again.data["seq"] > first.data["seq"]


def test_a_reader_that_goes_on_from_its_cursor_is_not_given_the_same_again(
    commons: Perdure, operator: Operator, worker: Account, curl: Open
) -> None:
    intent_id = operator.submit(worker)
    with curl() as stream:
        [_, timeout] = stream.wait()
    since = timeout.data["next_seq"]
    with new_process(commons, worker) as without_cookies:
        with curl(f"since={since}&wait_seconds=1", client=without_cookies) as stream:
            assert [event.name for event in stream.wait()] == ["stream.timeout"]
        # The cursor of Last-Event-ID is the same cursor.
        with curl("wait_seconds=1", client=without_cookies, last_event_id=str(since)) as stream:
            assert [event.name for event in stream.wait()] == ["stream.timeout"]

    assert operator.intent(intent_id)["delivery_attempt"] == 1


def test_the_same_process_that_starts_from_zero_keeps_what_it_has(
    operator: Operator, worker: Account, curl: Open
) -> None:
    operator.submit(worker)
    with curl() as stream:
        stream.wait()
    with curl("since=0&wait_seconds=1") as stream:  # the cookie of its first stream tells who it is
        assert [event.name for event in stream.wait()] == ["stream.timeout"]


def test_a_result_of_the_replaced_process_is_refused(
    commons: Perdure, operator: Operator, worker: Account, curl: Open, client: httpx.Client
) -> None:
    intent_id = operator.submit(worker)
    with curl() as stream:
        stream.wait()
    with new_process(commons, worker) as restarted:
        with curl(client=restarted) as stream:
            [again] = stream.hear()
        late = client.post(f"/v1/intents/{intent_id}/resume", json={"by": "the first"})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "lease_lost")
        lease = {"x-perdure-lease": again.data["lease_token"]}
        done = restarted.post(f"/v1/intents/{intent_id}/resume", json={"by": "the second"}, headers=lease)
        assert done.status_code == 200, done.text

    assert operator.intent(intent_id)["result"]["by"] == "the second"


@pytest.mark.parametrize(
    ("lease", "status", "code"),
    [("nonsense", 422, "validation_error"), (str(uuid4()), 409, "lease_lost")],
    ids=["no token", "another token"],
)
def test_a_wrong_lease_token_is_refused(
    operator: Operator, worker: Account, curl: Open, client: httpx.Client, lease: str, status: int, code: str
) -> None:
    intent_id = operator.submit(worker)
    with curl() as stream:
        stream.wait()

    refused = client.post(
        f"/v1/intents/{intent_id}/resume", json={"rows": 3}, headers={"x-perdure-lease": lease}
    )

    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert operator.status(intent_id) != "COMPLETED"


def test_a_detached_lease_lasts_for_the_visibility_timeout_and_is_renewed_by_reading_the_intent(
    commons: Perdure, operator: Operator, worker: Account, curl: Open, client: httpx.Client
) -> None:
    intent_id = operator.submit(worker)
    with curl() as stream:
        stream.wait()
    query = (
        "SELECT lease_expires_at, extract(epoch FROM lease_expires_at - statement_timestamp())"
        " FROM intents_delivery WHERE intent_id = %s"
    )
    [(before, left)] = in_database(commons, query, intent_id)

    client.get(f"/v1/intents/{intent_id}").raise_for_status()

    [(after, _)] = in_database(commons, query, intent_id)
    assert 280 < left <= 300
    assert after > before


def test_the_dead_letter_does_not_come_again(
    commons: Perdure, operator: Operator, worker: Account, listen: Open
) -> None:
    intent_id = operator.submit(worker, max_delivery_attempts=1)
    with listen() as stream:
        stream.hear()
        operator.http.get(f"/v1/intents/{intent_id}", headers=worker.headers)
    with new_process(commons, worker) as restarted, listen("wait_seconds=1", client=restarted) as stream:
        assert [event.name for event in stream.wait()] == ["stream.timeout"]
    assert operator.wait_for(intent_id, "FAILED")["error"]["code"] == "delivery_attempts_exhausted"
