"""Several of everything: agents of one address, web processes, submitters of the same, and enders of one intent."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median

import httpx
import pytest

from tests.end_to_end.actors import Actor, agent, socket_agent
from tests.live import TERMINAL_EVENTS, Account, Operator, in_database, intent, is_connected
from tests.servers import Perdure, wait_until

Start = Callable[..., Actor]


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_two_replicas_share_the_work_and_neither_loses_nor_doubles_it(
    commons: Perdure, operator: Operator, worker: Account, start: Start
) -> None:
    with start(worker, commons, web=(0,)) as left, start(worker, commons, web=(1,)) as right:
        left.hear("listening")
        right.hear("listening")
        answer = operator.post("/v1/intents/batch", {"intents": [intent(worker) for _ in range(200)]})
        accepted = [each["intent_id"] for each in answer["results"]]
        wait_until(lambda: len(left.heard("done")) + len(right.heard("done")) == 200, 40, "all are done")
        shares = [Counter(line["intent_id"] for line in each.heard("delivered")) for each in (left, right)]

    assert all(shares)
    assert shares[0] + shares[1] == Counter(accepted)
    ended = in_database(
        commons,
        "SELECT count(*), count(DISTINCT intent_id) FROM intents_event"
        " WHERE type = 'intent.completed' AND intent_id = ANY(%s::uuid[])",
        accepted,
    )
    assert ended == [(200, 200)]


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_an_agent_on_one_web_process_gets_at_once_what_another_accepted(
    commons: Perdure, operator: Operator, worker: Account, start: Start
) -> None:
    with operator.at(commons, 1) as there, start(worker, commons, web=(0,)) as at_work:
        at_work.hear("listening")
        wait_until(lambda: is_connected(commons, worker), 30, "the agent is connected")
        delays = []
        for number in range(1, 11):
            there.submit(worker)
            submitted = time.time()
            delays.append(at_work.hear("delivered", 20, count=number)["at"] - submitted)
            at_work.hear("done", count=number)

    # Without rings each would wait for the safety look, which comes once a second.
    assert median(delays) < 0.5


def test_a_waiting_submitter_on_one_web_process_sees_what_ended_on_another(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with (
        operator.http.stream("GET", f"/v1/intents/{intent_id}/events/stream?since=2") as stream,
        agent(worker, commons, web=(1,)) as at_work,
    ):
        names = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
        seen = time.time()
        done = at_work.hear("done")["at"]

    assert names[-1] == "intent.completed"
    assert seen - done < 0.5


def test_one_idempotency_key_fifty_times_at_once_is_one_intent(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    body = intent(worker, {"rows": 3})
    webs = [web.base_url for web in commons.web]

    def submit(number: int) -> httpx.Response:
        return httpx.post(
            f"{webs[number % 2]}/v1/intents",
            json=body,
            headers={"x-api-key": operator.key, "Idempotency-Key": body["correlation_id"]},
            timeout=20,
        )

    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(submit, range(50)))

    assert {answer.status_code for answer in answers} == {200}
    first = answers[0].json()
    assert all(answer.json() == first for answer in answers)
    found = in_database(
        commons, "SELECT count(*) FROM intents_intent WHERE correlation_id = %s", body["correlation_id"]
    )
    assert found == [(1,)]
    other = operator.http.post(
        "/v1/intents",
        json={**body, "payload": {"rows": 4}},
        headers={"Idempotency-Key": body["correlation_id"]},
    )
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


def test_complete_cancel_and_deadline_at_the_same_moment_are_one_ending(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=2)
    bodies = [intent(worker, deadline_at=deadline.isoformat()) for _ in range(40)]
    answer = operator.post("/v1/intents/batch", {"intents": bodies})
    ids = [each["intent_id"] for each in answer["results"]]
    webs = [web.base_url for web in commons.web]
    chance = random.Random(1)

    def end(which: tuple[str, dict[str, object]]) -> int:
        intent_id, body = which
        # The sweep that ends what is overdue comes within the second after the deadline.
        moment = deadline.timestamp() + chance.uniform(0, 1.2)
        time.sleep(max(0, moment - time.time()))
        return httpx.post(
            f"{chance.choice(webs)}/v1/intents/{intent_id}/resolve",
            json=body,
            headers={"x-api-key": operator.key},
            timeout=20,
        ).status_code

    asked = [
        (intent_id, body)
        for intent_id in ids
        for body in (
            {"status": "COMPLETED", "result": {"rows": 3}},
            {"status": "CANCELED", "reason": "no longer wanted"},
        )
    ]
    with ThreadPoolExecutor(len(asked)) as crowd:
        statuses = list(crowd.map(end, asked))
    for intent_id in ids:
        operator.wait_for(intent_id)

    assert set(statuses) <= {200, 409}
    endings = {
        intent_id: [kind for kind in operator.story(intent_id) if f"intent.{kind}" in TERMINAL_EVENTS]
        for intent_id in ids
    }
    assert {len(kinds) for kinds in endings.values()} == {1}
    by_request = sum(kinds[0] in {"completed", "canceled"} for kinds in endings.values())
    assert statuses.count(200) == by_request
