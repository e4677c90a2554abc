"""Web processes restarted one after the other, while others submit: nobody is let down."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from controlplane.web import DRAIN_SECONDS
from tests.live import Operator, in_database
from tests.operations.load import Load
from tests.operations.nginx import Front
from tests.servers import wait_until


@contextmanager
def reading(url: str, key: str) -> Iterator[list[str]]:
    """What a stream says until it ends, read beside whatever else happens."""
    lines: list[str] = []

    def read() -> None:
        with httpx.stream("GET", url, headers={"x-api-key": key}, timeout=60) as stream:
            for line in stream.iter_lines():
                lines.append(line)  # noqa: PERF402 (others look while it grows)
        lines.append("ended")

    thread = threading.Thread(target=read)
    thread.start()
    yield lines
    thread.join(60)


def test_no_submission_fails_while_one_process_after_the_other_is_restarted(front: Front) -> None:
    perdure = front.perdure
    with Operator.of(perdure) as operator:
        account = operator.register()
        watched = operator.submit(account)
    with Load(front, account) as load:
        for web in perdure.web:
            load.goes_on()
            url = f"{web.base_url}/v1/intents/{watched}/events/stream?wait_seconds=60"
            with reading(url, perdure.key) as lines:
                wait_until(lambda: "event: intent.submitted" in lines, 20, "the stream speaks")

                web.stop(40)

            assert "event: stream.timeout" in lines, lines[-4:]
            assert lines[-1] == "ended"
            load.goes_on()  # on the other process alone
            web.start()
            web.wait()
        load.goes_on()

    assert Counter(load.let_down) == Counter()
    kept = in_database(
        perdure, "SELECT count(*) FROM intents_intent WHERE id = ANY(%s::uuid[])", load.accepted
    )
    assert kept == [(len(set(load.accepted)),)]
    assert len(load.accepted) >= 100


def test_who_comes_again_by_the_same_connection_to_a_process_that_leaves_is_sent_to_another_door(
    front: Front,
) -> None:
    perdure = front.perdure
    web = perdure.web[0]
    with Operator.of(perdure) as operator:
        account = operator.register()
        path = f"{web.base_url}/v1/agents/{account.name}/intents/stream?hold=1&wait_seconds=60"
        owed = operator.submit(account)
        with httpx.Client(headers=account.headers, timeout=60) as agent:
            with agent.stream("GET", path) as stream:
                lines = stream.iter_lines()
                wait_until(lambda: next(lines).startswith("id: "), 20, "the agent has its work")
                stopping = threading.Thread(target=web.stop, args=[40])
                began = time.monotonic()
                stopping.start()
                assert "event: stream.timeout" in list(lines)
            with agent.stream("GET", path) as again:  # at once, by the connection that it has
                told = list(again.iter_lines())
                assert (again.status_code, again.headers["connection"]) == (200, "close")
        stopping.join()
        took = time.monotonic() - began
        web.start()
        web.wait()

    assert [line for line in told if line.startswith("event: ")] == ["event: stream.timeout"]
    assert took < DRAIN_SECONDS, "it waited for a stream that it should not have let in"
    query = "SELECT attempt, returns, lease_expires_at > now() FROM intents_delivery WHERE intent_id = %s"
    assert in_database(perdure, query, owed) == [(1, 0, True)]  # the agent goes on with what it has
    assert "Traceback" not in web.log.read_text()
