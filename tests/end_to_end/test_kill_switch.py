"""An agent is killed: whatever it is connected to, wherever it writes, it is refused, until somebody resumes it.

Told with the doorbell and without it: what refuses the agent is in the database, and no process has to hear of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.intents.callback_server import CallbackServer
from tests.intents.realtime.sockets import Socket, named
from tests.intents.realtime.streams import INCREMENTAL, new_process, reading
from tests.live import Account, Operator, in_database, intent, is_connected, verify_history
from tests.servers import Perdure, wait_until

#: On a busy machine; what is expected is a second.
PATIENCE = 20.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Perdure]:
    """Two web processes that may call back to this machine."""
    with Perdure(web=2, PERDURE_ALLOW_PRIVATE_CALLBACKS="127.0.0.1/32") as running:
        yield running
        verify_history(running)


@pytest.fixture
def operator(pair: Perdure) -> Iterator[Operator]:
    with Operator.of(pair) as operator:
        yield operator


@pytest.fixture
def hook() -> Iterator[CallbackServer]:
    with CallbackServer() as server:
        yield server


def calls_of(
    worker: Account, held: str, of_operator: httpx.Client, of_agent: httpx.Client
) -> dict[str, httpx.Response]:
    """Everything that goes to the agent or comes from it."""
    return {
        "submit to": of_operator.post("/v1/intents", json=intent(worker)),
        "submit from": of_agent.post("/v1/intents", json=intent("operator")),
        "resume": of_agent.post(f"/v1/intents/{held}/resume", json={"action": "complete"}),
        "resolve": of_agent.post(f"/v1/intents/{held}/resolve", json={"status": "COMPLETED"}),
        "checkpoint": of_agent.put(f"/v1/intents/{held}/checkpoints/one", content=b"1"),
        "report": of_agent.post(f"/v1/intents/{held}/usage", json={"cost_usd": 0.5}),
    }


def refusals(pair: Perdure, operator: Operator, worker: Account, held: str) -> dict[str, tuple[int, str]]:
    """What each process answers to all of that: status and error code."""
    found = {}
    for number in range(len(pair.web)):
        with operator.at(pair, number) as there, new_process(pair, worker, number) as http:
            for what, answer in calls_of(worker, held, there.http, http).items():
                code = answer.json().get("error", {}).get("code", "")
                found[f"{what} at {number}"] = (answer.status_code, code)
    return found


def beats(pair: Perdure, after: Any) -> bool:
    """Whether both web processes have looked around since."""
    seen = in_database(pair, "SELECT count(*) FROM agents_webprocess WHERE seen_at > %s", after)
    return seen == [(2,)]


@pytest.mark.parametrize("has_doorbell", [True, False], ids=["with the doorbell", "without it"])
def test_a_killed_agent_gets_nothing_and_writes_nothing_on_any_process_until_it_is_resumed(
    pair: Perdure,
    operator: Operator,
    hook: CallbackServer,
    has_doorbell: bool,
) -> None:
    worker = operator.register()
    called = operator.register(delivery_mode="http", callback_url=hook.url)
    hook.gate.clear()
    mine = [operator.submit(worker) for _ in range(3)]
    theirs = [operator.submit(called) for _ in range(2)]
    elsewhere = operator.at(pair, 1)

    with (
        new_process(pair, worker) as http,
        reading(http, f"/v1/agents/{worker.name}/intents/stream?wait_seconds=60", **INCREMENTAL) as stream,
        Socket(pair.web[1].base_url, worker.key) as socket,
    ):
        [streamed] = stream.hear(1, PATIENCE)
        socket.hello(worker)
        delivery = socket.delivery(PATIENCE)
        wait_until(lambda: len(hook.received) == 2, PATIENCE, "the agent is called back")
        wait_until(lambda: is_connected(pair, worker), PATIENCE, "it is known that the agent is connected")
        assert {streamed.data["intent_id"], delivery["intent_id"]} < set(mine)

        if not has_doorbell:
            pair.valkey.kill()
        for account in (worker, called):
            killed = operator.post(f"/v1/mesh/agents/{account.address}/kill", {"reason": "a test"})
            assert killed["status"] == "killed"
        # Not within a second: from the answer on.
        refused = refusals(pair, operator, worker, delivery["intent_id"])
        assert set(refused.values()) == {(403, "agent_killed")}, refused
        for frame in (
            socket.ask("complete", deliveries=[named(delivery, result={})]),
            socket.ask("checkpoint", items=[named(delivery, step="one", value=1)]),
            socket.ask("report", items=[named(delivery, cost_usd=0.5)]),
            socket.ask("submit", intents=[intent("operator")]),
        ):
            assert "agent_killed" in json.dumps(frame), frame
        hook.gate.set()  # the calls that it holds are answered, and that counts for nothing

        # The page says how long it took: every process that was there has confirmed.
        confirmed = wait_until(
            lambda: in_database(
                pair,
                "SELECT extract(epoch FROM max(confirmed_at) - max(killed_at)), max(confirmed_at)"
                " FROM agents_confirmation JOIN agents_meshevent AS event ON event.id = event_id"
                " JOIN agents_agent AS agent ON agent.id = event.agent_id"
                " WHERE address = %s GROUP BY address HAVING count(*) = 2",
                worker.address,
            ),
            PATIENCE,
            "both processes confirm the kill",
        )
        [(seconds, last)] = confirmed
        assert 0 < seconds <= PATIENCE
        wait_until(lambda: beats(pair, last), PATIENCE, "both processes look again")
        shown = elsewhere.get(f"/v1/mesh/agents/{worker.address}")
        assert (shown["health"], [event["event_type"] for event in shown["events"]][:1]) == (
            "killed",
            ["agent.killed"],
        )
        assert len(stream.deliveries()) == 1
        assert socket.hears_nothing("deliveries", 0.1)
        assert len(hook.received) == 2
        assert {operator.status(each) for each in mine + theirs} <= {"SUBMITTED", "DELIVERED", "IN_PROGRESS"}

        for account in (worker, called):
            assert elsewhere.post(f"/v1/mesh/agents/{account.address}/resume")["status"] == "active"

        if not has_doorbell:
            pair.valkey.start()  # callbacks are the worker's, who hears of its tasks over it
        # All of it again, what it had in hand included; whoever has room gets it.
        seen: set[str] = set()

        def work() -> bool:
            for event in stream.deliveries()[1:]:
                if event.data["intent_id"] not in seen:
                    seen.add(event.data["intent_id"])
                    http.post(f"/v1/intents/{event.data['intent_id']}/resume", json={"action": "complete"})
            try:
                again = socket.hear("deliveries", deadline=0.2)
            except AssertionError:
                return seen == set(mine)
            for each in again["deliveries"]:
                seen.add(each["intent_id"])
                assert socket.ask("complete", deliveries=[named(each, result={})])["type"] == "result"
            return seen == set(mine)

        wait_until(work, PATIENCE, "everything that is open is delivered again")
        for each in mine:
            operator.wait_for(each, "COMPLETED", deadline=PATIENCE)
        wait_until(lambda: len(hook.received) >= 4, PATIENCE, "the agent is called back again")
        assert {json.loads(each.body)["intent_id"] for each in hook.received[2:]} == set(theirs)
        elsewhere.close()


def test_a_kill_whose_process_died_over_it_takes_effect_all_the_same(
    pair: Perdure, operator: Operator
) -> None:
    worker = operator.register()
    held = operator.submit(worker)
    with Socket(pair.web[1].base_url, worker.key) as socket:
        socket.hello(worker)
        delivery = socket.delivery(PATIENCE)

        # What the first transaction of a kill leaves, and nothing after it: nobody waited, took back or rang.
        in_database(
            pair,
            "WITH killed AS (UPDATE agents_agent SET killed_at = statement_timestamp(), killed_by = 'test'"
            " WHERE address = %s RETURNING *)"
            " INSERT INTO agents_meshevent (organization_id, workspace_id, agent_id, type)"
            " SELECT organization_id, workspace_id, id, 'agent.killed' FROM killed",
            worker.address,
        )

        wait_until(
            lambda: in_database(
                pair, "SELECT 1 FROM intents_delivery WHERE intent_id = %s AND lease_token IS NULL", held
            ),
            PATIENCE,
            "a process takes from the agent what it holds",
        )
        # A process without connections has nothing to act on, and is not asked.
        wait_until(
            lambda: in_database(
                pair,
                "SELECT 1 FROM agents_confirmation AS confirmation"
                " JOIN agents_meshevent AS event ON event.id = confirmation.event_id"
                " JOIN agents_agent AS agent ON agent.id = event.agent_id"
                " WHERE agent.address = %s AND agent.updated_at > agent.killed_at",
                worker.address,
            ),
            PATIENCE,
            "it is confirmed, after the agent's writers have been waited for",
        )
        answer = socket.ask("complete", deliveries=[named(delivery, result={})])
        assert "agent_killed" in json.dumps(answer)
        operator.post(f"/v1/mesh/agents/{worker.address}/resume")
        again = socket.delivery(PATIENCE)
        assert (again["intent_id"], again["attempt"]) == (held, 1)
        socket.ask("complete", deliveries=[named(again, result={})])
    operator.wait_for(held, "COMPLETED", deadline=PATIENCE)
