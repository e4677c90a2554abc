"""The mesh as the package `axme` speaks to it, and the programs that an agent's page offers, run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axme import AxmeClient, AxmeClientConfig
from axme.exceptions import AxmeError

from agents.models import Agent
from intents.pages.views_fleet import _snippets
from tests.live import Account, Operator
from tests.servers import Perdure, wait_until

PATIENCE = 30.0


@contextmanager
def client_of(perdure: Perdure, key: str) -> Iterator[AxmeClient]:
    client = AxmeClient(AxmeClientConfig(base_url=perdure.base_url, api_key=key))
    try:
        yield client
    finally:
        client.close()


def test_the_mesh_of_the_package_axme(commons: Perdure, operator: Operator, worker: Account) -> None:
    with client_of(commons, worker.key) as agent, client_of(commons, operator.key) as people:
        beat = agent.mesh.heartbeat(metrics={"intents_total": 2, "intents_succeeded": 2, "cost_usd": 0.25})
        assert (beat["ok"], beat["health_status"], beat["address"]) == (True, "healthy", worker.address)
        agent.mesh.report_metric(success=False, latency_ms=40.0, cost_usd=0.5)
        agent.mesh.start_heartbeat(interval_seconds=0.05)
        try:
            shown = wait_until(
                lambda: (
                    found
                    if (found := people.mesh.get_agent(beat["address_id"]))["metrics"]["intents_failed"]
                    else None
                ),
                PATIENCE,
                "what was observed arrives with a heartbeat",
            )
        finally:
            agent.mesh.stop_heartbeat()
        assert shown is not None
        assert (shown["metrics"]["intents_total"], shown["metrics"]["cost_usd"]) == (3, 0.75)

        listed = people.mesh.list_agents(limit=1000, health="healthy")
        assert worker.address in {entry["address"] for entry in listed["agents"]}
        assert listed["summary"]["healthy"] >= 1

        assert people.mesh.kill(worker.address)["status"] == "killed"
        assert agent.mesh.heartbeat()["health_status"] == "killed"
        with pytest.raises(AxmeError, match="killed"):
            people.send_intent(
                {"intent_type": "test.work.v1", "to_agent": worker.address, "payload": {}},
            )
        assert people.mesh.resume(beat["address_id"])["status"] == "active"
        events = people.mesh.list_events(limit=200)["events"]
        told = [event["event_type"] for event in events if event["address"] == worker.address]
        assert [each for each in told if each != "agent.health_changed"] == [
            "agent.resumed",
            "agent.killed",
            "agent.registered",
        ]


def test_health_that_changes_is_told_of(commons: Perdure, operator: Operator, worker: Account) -> None:
    with client_of(commons, worker.key) as agent:
        agent.mesh.heartbeat()

        def told() -> list[dict[str, str]]:
            events = operator.get("/v1/mesh/events?event_type=agent.health_changed&limit=1000")["events"]
            return [event["details"] for event in events if event["address"] == worker.address]

        wait_until(told, PATIENCE, "the sweep tells that the agent is well")
        assert told() == [{"from": "unknown", "to": "healthy"}]


def snippet(worker: Account, commons: Perdure, which: str) -> str:
    """A program as the agent's page has it."""
    agent = Agent(address=worker.address, name=worker.name)
    [text] = [each.text for each in _snippets(agent, commons.base_url) if each.id == which]
    return text


@pytest.mark.parametrize("which", ["axme", "websocket"])
def test_a_program_from_an_agents_page_answers_intents(
    which: str, commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker, {"n": 1})
    with subprocess.Popen(
        [sys.executable, "-c", snippet(worker, commons, which)],
        env={**os.environ, "AXME_API_KEY": worker.key},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            intent = operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)
        finally:
            program.kill()
            assert program.stderr is not None
            complaints = program.stderr.read()
    assert intent["result"]["got"] == {"n": 1}, complaints


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_two_commands_from_an_agents_page_do_it_with_curl(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    listen, answer = snippet(worker, commons, "curl").split("\n\n")
    environment = {**os.environ, "AXME_API_KEY": worker.key, "INTENT_ID": intent_id}

    def run(command: str) -> str:
        ended = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return ended.stdout

    assert intent_id in run(listen)
    assert '"ok":true' in run(answer).replace(" ", "")
    operator.wait_for(intent_id, "COMPLETED", deadline=PATIENCE)
