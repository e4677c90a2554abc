"""Scenarios, saved steps, and tasks for people: against a real server."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import httpx

from .conftest import REPOSITORY, Cli, Server, Worker
from .test_intents import submitted

SCENARIO = REPOSITORY / "examples" / "pipeline" / "scenario.json"


def test_apply_makes_the_agents_key_once_and_keeps_it(cli: Cli, server: Server, tmp_path: Path) -> None:
    first, second = (cli("scenarios", "apply", SCENARIO, "--json").document for _ in range(2))
    kept = json.loads((tmp_path / "config" / "perdure" / "scenario-agents.json").read_text())["agents"]
    [made], [reused] = first["agent_keys"], second["agent_keys"]
    assert (made["state"], reused["state"]) == ("created", "kept")
    assert made["key_id"] == reused["key_id"] == kept[0]["key_id"]
    assert kept[0]["api_key"] not in json.dumps([first, second])
    assert first["intent_id"] != second["intent_id"]
    me = httpx.get(f"{server.url}/v1/me", headers={"x-api-key": kept[0]["api_key"]}).json()
    assert me["service_account"]["service_account_id"] == made["service_account_id"]


def test_validate_judges_and_apply_refuses_what_is_not_valid(cli: Cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(
        json.dumps({**json.loads(SCENARIO.read_text()), "workflow": {"steps": []}, "agents": []})
    )
    assert cli("scenarios", "validate", SCENARIO).exit_code == 0
    judged = cli("scenarios", "validate", broken, "--json")
    assert (judged.exit_code, judged.document["ok"]) == (1, False)
    assert judged.document["errors"]
    assert cli("scenarios", "apply", broken, "--json").exit_code == 2


def test_steps_are_listed_and_read_byte_for_byte(
    cli: Cli, server: Server, worker: Worker, tmp_path: Path
) -> None:
    intent_id = submitted(cli, worker.address)
    delivery = worker.takes()
    worker.says("acknowledge", delivery)
    contents = {
        "extract": (b'{"rows": [1, 2]}', "application/json"),
        "photo": (b"\x00\xffbytes", "image/png"),
    }
    headers = {"x-api-key": server.key, "x-perdure-lease": delivery["lease"]}
    for step, (content, content_type) in contents.items():
        put = httpx.put(
            f"{server.url}/v1/intents/{intent_id}/checkpoints/{step}",
            content=content,
            headers={**headers, "content-type": content_type},
        )
        assert put.status_code == 201, put.text

    listed = cli("checkpoints", "list", intent_id, "--json").document["checkpoints"]
    assert [each["step"] for each in listed] == ["extract", "photo"]
    assert "photo" in cli("checkpoints", "list", intent_id).out
    got = cli("checkpoints", "get", intent_id, "extract", "--json").document["checkpoint"]
    assert got["value"] == {"rows": [1, 2]}
    assert cli("checkpoints", "get", intent_id, "extract").out == '{"rows": [1, 2]}'
    assert cli("checkpoints", "get", intent_id, "photo", "-o", tmp_path / "photo").exit_code == 0
    assert (tmp_path / "photo").read_bytes() == contents["photo"][0]
    assert cli("checkpoints", "get", intent_id, "no-such-step", "--json").exit_code == 4
    assert cli("checkpoints", "list", uuid.uuid4(), "--json").exit_code == 4


def test_tasks_for_people_are_there_or_said_to_be_missing(cli: Cli, server: Server, worker: Worker) -> None:
    intent_id = submitted(cli, worker.address)
    paths = httpx.get(f"{server.url}/v1/openapi.json", headers={"x-api-key": server.key}).json()["paths"]
    expected = (0, 5) if "/v1/me/tasks" in paths else (7, 7)
    listed, approved = cli("tasks", "list", "--json"), cli("tasks", "approve", intent_id, "--json")
    assert (listed.exit_code, approved.exit_code) == expected, (listed, approved)
    assert cli("tasks", "reject", uuid.uuid4(), "--json").exit_code == 4


def test_apply_can_watch_a_scenario_to_its_end(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    bundle = json.loads(SCENARIO.read_text())
    bundle["agents"][0]["address"] = worker.address
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(bundle))

    for verb, status, exit_code in (("complete", "COMPLETED", 0), ("fail", "FAILED", 1)):
        work = worker.does(verb)
        watched = cli("scenarios", "apply", file, "--watch", "--timeout", "60", "--json")
        work.join(60)
        assert (watched.exit_code, watched.document["status"]) == (exit_code, status), watched
    assert cli("scenarios", "apply", file, "--watch", "--timeout", "0.5", "--json").exit_code == 9
