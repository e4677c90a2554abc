"""PostgreSQL, Valkey, web processes, worker and beat die one after the other; accepted work is done all the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import httpx
import pytest
import redis

from tests.end_to_end.actors import Actor, agent, socket_agent, submitter
from tests.intents.realtime.sockets import Socket, named
from tests.live import (
    Account,
    Operator,
    assert_histories_add_up,
    complaints,
    in_database,
    intent,
    is_connected,
    verify_history,
)
from tests.servers import Perdure, wait_until

Start = Callable[..., Actor]


@pytest.fixture(scope="module")
def fragile() -> Iterator[Perdure]:
    """A Perdure whose parts die, and are back when a test is over."""
    with Perdure(web=2) as running:
        yield running
        verify_history(running)
        # Libraries may complain of an outage; we know that such things happen.
        assert "\n".join(complaints(running, "agents", "intents", "controlplane", "asyncio", "uvicorn")) == ""


@pytest.fixture
def operator(fragile: Perdure) -> Iterator[Operator]:
    fragile.postgres.start()
    fragile.valkey.start()
    for process in (*fragile.web, fragile.worker):
        if not process.is_running():
            process.start()
    for web in fragile.web:
        web.wait()
    with Operator.of(fragile) as operator:
        yield operator
    assert_histories_add_up(fragile)


@pytest.fixture
def worker(operator: Operator) -> Account:
    return operator.register()


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_clients_of_a_killed_web_process_get_their_work_from_another(
    fragile: Perdure, operator: Operator, worker: Account, start: Start
) -> None:
    with operator.at(fragile, 1) as there, start(worker, fragile, "--work", "3", web=(0, 1)) as at_work:
        first = operator.submit(worker)
        at_work.hear("read")
        wait_until(lambda: is_connected(fragile, worker), 30, "the connection is told")
        fragile.web[0].kill()
        second = there.submit(worker)
        # The lease that the dead process granted ends when it is missed, well before it would run out.
        for intent_id in (first, second):
            there.wait_for(intent_id, "COMPLETED", deadline=20)


def test_a_web_process_that_is_told_to_stop_says_goodbye(
    fragile: Perdure, operator: Operator, worker: Account
) -> None:
    with httpx.stream(
        "GET",
        f"{fragile.web[0].base_url}/v1/agents/{worker.name}/intents/stream?wait_seconds=60",
        headers=worker.headers,
        timeout=30,
    ) as stream:
        wait_until(lambda: is_connected(fragile, worker), 30, "the stream is open")
        started = time.monotonic()
        fragile.web[0].stop()
        lines = list(stream.iter_lines())

    assert "event: stream.timeout" in lines
    assert time.monotonic() - started < 20


def test_an_agent_whose_web_process_is_told_to_stop_keeps_its_lease_and_finishes_over_another(
    fragile: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with (
        Socket(fragile.web[0].base_url, worker.key) as first,
        Socket(fragile.web[1].base_url, worker.key) as second,
    ):
        first.hello(worker)
        delivery = first.delivery()
        first.ask("acknowledge", **named(delivery))
        fragile.web[0].stop()
        assert first.end()[0] == 1012
        second.hello(worker)
        assert second.hears_nothing("deliveries", 0.5)
        assert second.ask("complete", **named(delivery, result={"rows": 3}))["ok"] is True
    with operator.at(fragile, 1) as there:
        assert there.intent(intent_id)["delivery_attempt"] == 1


@pytest.mark.parametrize("crash", [False, True], ids=["restarted", "killed"])
def test_every_accepted_intent_ends_though_postgresql_goes_away_under_load(
    fragile: Perdure, operator: Operator, worker: Account, crash: bool
) -> None:
    options = ("--pause", "0.005", "--attempts", "20")
    with (
        submitter(worker, operator.key, fragile, *options, web=(0, 1)) as sender,
        agent(worker, fragile, web=(0, 1)) as by_stream,
        socket_agent(worker, fragile, web=(1, 0)) as by_socket,
    ):
        sender.hear("accepted", count=50)
        (fragile.postgres.kill if crash else fragile.postgres.stop)()
        refusal = _refusal(fragile, operator.key, worker)
        fragile.postgres.start()
        accepted_before = len(sender.heard("accepted"))
        sender.hear("accepted", 15, count=accepted_before + 50)
        sender.finish()
        accepted = [line["intent_id"] for line in sender.heard("accepted")]
        wait_until(lambda: _are_ended(fragile, accepted), 30, "all accepted intents have ended")
        assert by_stream.heard("done")
        assert by_socket.heard("done")

    assert refusal.status_code == 503
    assert refusal.headers["Retry-After"] == "1"
    assert refusal.json()["error"]["code"] == "unavailable"
    assert refusal.elapsed.total_seconds() < 10
    assert {line["status"] for line in sender.heard("refused")} <= {0, 503}
    assert len(set(accepted)) == len(accepted)
    [(endings, ended)] = in_database(
        fragile,
        "SELECT count(*), count(DISTINCT intent_id) FROM intents_event"
        " WHERE type IN ('intent.completed', 'intent.failed') AND intent_id = ANY(%s::uuid[])",
        accepted,
    )
    assert endings == ended == len(accepted)


def test_the_first_requests_after_a_restart_of_postgresql_are_served(
    fragile: Perdure, operator: Operator, worker: Account
) -> None:
    """All connections that lie in the pools of an idle process are dead then."""
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda _: operator.register(), range(16)))
    fragile.postgres.kill()
    fragile.postgres.start()
    # Whoever asked during the outage may be told for another second that there is one.
    up_for = "SELECT statement_timestamp() - pg_postmaster_start_time() > interval '2 seconds'"
    wait_until(lambda: in_database(fragile, up_for) == [(True,)], 30, "the outage has been over for a while")

    for _ in range(5):
        operator.register()
        operator.submit(worker)


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_delivery_goes_on_without_valkey_and_is_prompt_again_with_an_empty_one(
    fragile: Perdure, operator: Operator, worker: Account, start: Start
) -> None:
    with operator.at(fragile, 1) as there, start(worker, fragile, web=(0,)) as at_work:
        wait_until(lambda: is_connected(fragile, worker), 30, "the agent is connected")
        fragile.valkey.kill()
        delays = [_delay(there, worker, at_work, number) for number in range(1, 4)]
        fragile.valkey.start()
        # Whoever listens comes back to it within a second or so; rings are heard from then on.
        wait_until(lambda: _listens(fragile), 10, "they listen")
        number = len(at_work.heard("done"))
        wait_until(lambda: _counted(there, worker, at_work) < 0.3, 15, "the rings are heard again")
        prompt = [_delay(there, worker, at_work, len(at_work.heard("done")) + 1) for _ in range(5)]

    assert number == 3
    assert max(delays) < 10
    assert median(prompt) < 1


def test_submissions_are_answered_quickly_without_valkey(
    fragile: Perdure, operator: Operator, worker: Account
) -> None:
    fragile.valkey.kill()
    started = time.monotonic()
    for _ in range(20):
        operator.submit(worker)

    assert time.monotonic() - started < 10


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_delivery_goes_on_while_worker_and_beat_are_down(
    fragile: Perdure, operator: Operator, worker: Account, start: Start
) -> None:
    fragile.worker.kill()
    intent_id = operator.submit(worker)
    with start(worker, fragile, "--halt-at", "working") as doomed:
        doomed.hear("halted")
    with start(worker, fragile) as at_work:
        assert at_work.hear("delivered", 20)["delivery"]["redelivery"] is True
        at_work.hear("done")
    operator.wait_for(intent_id, "COMPLETED")


def test_a_deadline_waits_for_the_worker_and_is_kept_when_it_is_back(
    fragile: Perdure, operator: Operator, worker: Account
) -> None:
    fragile.worker.kill()
    body = intent(worker, deadline_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)))
    intent_id = operator.post("/v1/intents", body)["intent_id"]
    wait_until(lambda: operator.intent(intent_id)["deadline_at"] < _now(), 30, "the deadline has passed")
    fragile.worker.start()

    operator.wait_for(intent_id, "TIMED_OUT", deadline=20)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _delay(operator: Operator, worker: Account, at_work: Actor, number: int) -> float:
    """How long the `number`-th intent takes to its agent."""
    operator.submit(worker)
    submitted = time.time()
    delivered: float = at_work.hear("delivered", 20, count=number)["at"]
    at_work.hear("done", count=number)
    return delivered - submitted


def _counted(operator: Operator, worker: Account, at_work: Actor) -> float:
    return _delay(operator, worker, at_work, len(at_work.heard("done")) + 1)


def _refusal(perdure: Perdure, key: str, worker: Account) -> httpx.Response:
    """What a submission is answered while the database is away."""
    return httpx.post(
        f"{perdure.web[0].base_url}/v1/intents", json=intent(worker), headers={"x-api-key": key}, timeout=10
    )


def _are_ended(perdure: Perdure, ids: list[str]) -> bool:
    query = (
        "SELECT count(*) FROM intents_intent WHERE id = ANY(%s::uuid[])"
        " AND status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')"
    )
    return in_database(perdure, query, ids) == [(len(ids),)]


def _listens(perdure: Perdure) -> bool:
    """Whether a web process listens for rings."""
    with redis.Redis.from_url(perdure.environment["REDIS_URL"]) as valkey:
        return bool(valkey.pubsub_channels())
