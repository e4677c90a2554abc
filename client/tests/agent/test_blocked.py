"""Agents behind a proxy that lets no websocket through: the same, over a stream and requests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from support.crew import Crew
from support.polling import wait_until
from support.proxy import Proxy
from support.server import Server


@pytest.fixture(params=["refuse", "drop"])
def manner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(server: Server, crew: Crew, manner: str) -> Iterator[Proxy]:
    """All agents of the crew go through it."""
    found = Proxy(server.url, manner)
    crew.url = found.url
    yield found
    crew.end()
    found.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_intents_are_done_tried_again_and_failed_for_good(crew: Crew, proxy: Proxy, kind: str) -> None:
    crew.start(kind)
    done = [crew.submit("work") for _ in range(6)]
    tried = [crew.submit("work", {"fails_until": 3}) for _ in range(3)]
    fatal = crew.submit("work", {"raise": "fatal"})
    others = [crew.submit(each) for each in ("other", "too_large", "nul")]

    assert [crew.result(each)["kind"] for each in done] == [kind] * 6
    assert [crew.result(each)["attempt"] for each in tried] == [3] * 3
    assert crew.ended(fatal).error["rows"] == 3
    codes = ["no_handler", "result_too_large", "result_refused"]
    assert [crew.ended(each).error["code"] for each in others] == codes
    assert crew.is_blocked()
    assert proxy.upgrades >= 1
    events = [event.type for event in crew.client.events(done[0].id, follow=False)]
    assert events.count("intent.acknowledged") == 1


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_the_last_attempt_that_fails_makes_a_dead_letter(crew: Crew, proxy: Proxy) -> None:
    crew.start()
    ended = crew.ended(crew.submit("work", {"fails_until": 9}, max_delivery_attempts=2))

    assert (ended.status, ended.error["code"]) == ("FAILED", "delivery_attempts_exhausted")


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_steps_are_done_once_though_the_agent_is_killed(crew: Crew, proxy: Proxy) -> None:
    intent = crew.submit("steps", {"steps": 10}, max_delivery_attempts=9)
    for point in ("effect 3", "done 3", "effect 7"):
        agent = crew.prepare()
        agent.begin(stop_at=point)
        wait_until(lambda: crew.notes()[-1:] == [point], what=point)  # noqa: B023
        agent.kill()
    crew.start()

    assert crew.result(intent) == {"sum": 285}
    effects = [line for line in crew.notes() if line.startswith("effect")]
    assert sorted(effects) == sorted([f"effect {n}" for n in range(10)] + ["effect 3", "effect 7"])


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
@pytest.mark.parametrize(("kind", "told"), [("sync", "Canceled"), ("async", "CanceledInTask")])
def test_a_handler_is_told_that_its_intent_was_canceled(
    crew: Crew, proxy: Proxy, kind: str, told: str
) -> None:
    crew.start(kind)
    intent = crew.submit("work", {"seconds": 60})
    crew.wait_for("begin 1")

    crew.client.cancel(intent.id, reason="no longer wanted")

    crew.wait_for("begin 1", told)


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_an_agent_that_hung_learns_that_its_work_is_anothers(crew: Crew, proxy: Proxy) -> None:
    hung = crew.start(notes="hung")
    intent = crew.submit("work", {"seconds": 600}, max_delivery_attempts=9)
    crew.wait_for("begin 1", name="hung")
    hung.signal(signal.SIGSTOP)
    crew.start(notes="other")
    wait_until(lambda: crew.is_connected("other"))
    crew.client.redeliver(intent.id)
    wait_until(lambda: crew.notes("other"), what="the other has it")

    hung.signal(signal.SIGCONT)

    crew.wait_for("begin 1", "LeaseLost", name="hung")
    crew.say_enough("other")
    assert crew.result(intent)["attempt"] == 2


@pytest.mark.parametrize("manner", ["drop"], indirect=True)
def test_work_goes_on_under_a_new_lease_though_all_connections_broke(crew: Crew, proxy: Proxy) -> None:
    crew.start()
    intent = crew.submit("work", {"seconds": 2})
    crew.wait_for("begin 1")

    proxy.cut()

    assert crew.ended(intent).status == "COMPLETED"
    # The same run of the handler; the new lease is another attempt if the agent's word that it began had arrived.
    assert crew.notes() in (["begin 1", "end 1"], ["begin 1", "end 2"])


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_an_agent_that_is_told_to_stop_finishes_what_it_has(crew: Crew, proxy: Proxy) -> None:
    agent = crew.start()
    intent = crew.submit("work", {"seconds": 1})
    crew.wait_for("begin 1")

    agent.signal(signal.SIGTERM)

    assert agent.process.wait(30) == 0
    assert crew.client.get(intent.id).outcome()["attempt"] == 1


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_a_payload_too_large_for_the_stream_and_a_large_step_arrive_whole(crew: Crew, proxy: Proxy) -> None:
    crew.start()
    intent = crew.submit("large", {"size": 1_000_000, "filler": "y" * 60_000})

    result = crew.result(intent)
    assert (result["size"], result["before"]) == (1_000_000, [])
    assert result["payload"] > 60_000
    [saved] = crew.client.checkpoints.list(intent.id)
    assert saved["size"] == 1_000_002


@pytest.mark.parametrize("manner", ["refuse"], indirect=True)
def test_usage_is_reported(crew: Crew, proxy: Proxy) -> None:
    crew.start()
    intent = crew.submit("report")
    crew.ended(intent)

    usage = [
        event.details["usage"]
        for event in crew.client.events(intent.id, follow=False)
        if "usage" in event.details
    ]
    assert sorted(each["tokens"] for each in usage) == [23, 100]
