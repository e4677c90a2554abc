"""`perdure intents …` against a real server: submit, look, watch, steer."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from .conftest import Cli, Worker

TYPE = "intent.pipeline.process.v1"


def submitted(cli: Cli, to: str, *more: str) -> str:
    ended = cli("intents", "submit", "--to", to, "--type", TYPE, "--payload", '{"rows": 3}', *more, "--json")
    assert ended.exit_code == 0, ended
    return str(ended.document["intent_id"])


def status(cli: Cli, intent_id: str) -> str:
    return str(cli("intents", "get", intent_id, "--json").document["intent"]["lifecycle_status"])


@pytest.mark.parametrize(
    ("verb", "outcome", "exit_code"), [("complete", "COMPLETED", 0), ("fail", "FAILED", 1)]
)
def test_watch_shows_a_life_to_its_end_and_ends_as_it_ended(
    cli: Cli, worker: Worker, verb: str, outcome: str, exit_code: int
) -> None:
    said = (
        {"result": {"rows": 3}} if verb == "complete" else {"error": {"code": "broken", "message": "No disk"}}
    )
    intent_id = submitted(cli, worker.address)
    work = worker.does(verb, **said)
    watched = cli("intents", "watch", intent_id, "--timeout", "20")
    work.join(20)
    again = cli("intents", "watch", intent_id, "--json")

    assert watched.exit_code == again.exit_code == exit_code, (watched, again)
    assert "submitted" in watched.out
    assert outcome.lower() in watched.out.lower()
    assert again.document["status"] == outcome
    assert [event["seq"] for event in again.document["events"]] == list(
        range(1, len(again.document["events"]) + 1)
    )


def test_submit_can_watch_and_reads_what_it_sends_from_a_file_or_standard_input(
    cli: Cli, worker: Worker, tmp_path: Path
) -> None:
    whole = {"to_agent": worker.address, "intent_type": TYPE, "payload": {"rows": 5}}
    file = tmp_path / "intent.json"
    file.write_text(json.dumps(whole))
    work = worker.does("complete", result={"done": True})
    watched = cli("intents", "submit", file, "--watch", "--timeout", "20", "--json")
    work.join(20)
    assert watched.exit_code == 0, watched
    assert watched.document["intent"]["result"] == {"done": True}

    piped = cli("intents", "submit", "-", "--json", stdin=json.dumps(whole))
    assert worker.takes()["intent_id"] == piped.document["intent_id"]


def test_submitting_twice_under_one_key_is_once_and_another_body_under_it_a_conflict(
    cli: Cli, worker: Worker
) -> None:
    assert submitted(cli, worker.address, "--idempotency-key", "k1") == submitted(
        cli, worker.address, "--idempotency-key", "k1"
    )
    other = cli(
        "intents", "submit", "--to", worker.address, "--type", TYPE, "--idempotency-key", "k1", "--json"
    )
    assert other.exit_code == 5, other
    assert other.document["error"]["code"] == "idempotency_conflict"


def test_submitting_to_strangers_is_refused(cli: Cli) -> None:
    ended = cli("intents", "submit", "--to", "agent://strangers/production/a", "--type", TYPE, "--json")
    assert (ended.exit_code, ended.document["ok"]) == (4, False), ended


def test_list_finds_by_agent_and_status_page_by_page(cli: Cli, worker: Worker) -> None:
    ids = [submitted(cli, worker.address) for _ in range(3)]
    first = cli("intents", "list", "--to", worker.address, "--limit", 2, "--json").document
    second = cli(
        "intents", "list", "--to", worker.address, "--limit", 2, "--cursor", first["next_cursor"], "--json"
    ).document
    assert [each["intent_id"] for each in first["intents"] + second["intents"]] == ids[::-1]
    table = cli("intents", "list", "--to", worker.address, "--status", "pending")
    assert all(intent_id in table.out for intent_id in ids)
    refused = cli("intents", "list", "--status", "bored", "--json")
    assert refused.exit_code == 2, refused


def test_get_and_log_tell_of_an_intent_and_say_when_there_is_none(cli: Cli, worker: Worker) -> None:
    intent_id = submitted(cli, worker.address)
    got, logged = cli("intents", "get", intent_id), cli("intents", "log", intent_id)
    events = cli("intents", "log", intent_id, "--json").document["events"]
    assert "lifecycle_status: " in got.out
    assert '"rows": 3' in got.out
    assert len(logged.out.splitlines()) >= 2
    assert events[0]["event_type"] == "intent.created"
    for command in ("get", "log", "watch"):
        unknown = cli("intents", command, uuid.uuid4(), "--json")
        assert (unknown.exit_code, unknown.document["exit_code"]) == (4, 4), command


def test_watching_what_does_not_end_is_exit_code_9(cli: Cli, worker: Worker) -> None:
    intent_id = submitted(cli, worker.address)
    ended = cli("intents", "watch", intent_id, "--timeout", "0.3", "--json")
    assert (ended.exit_code, ended.document["ok"]) == (9, False), ended


def test_what_was_canceled_can_be_retried_but_not_redelivered(cli: Cli, worker: Worker) -> None:
    intent_id = submitted(cli, worker.address)
    canceled = cli("intents", "cancel", intent_id, "--reason", "not needed")
    assert canceled.exit_code == 0, canceled
    assert status(cli, intent_id) == "CANCELED"
    assert "not needed" in cli("intents", "log", intent_id).out
    assert cli("intents", "cancel", intent_id).exit_code == 5
    assert cli("intents", "redeliver", intent_id).exit_code == 5

    retried = cli("intents", "retry", intent_id, "--json").document
    assert retried["retry_of"] == intent_id != retried["intent_id"]
    assert cli("intents", "retry", retried["intent_id"]).exit_code == 5


def test_redeliver_hands_an_open_intent_over_again(cli: Cli, worker: Worker) -> None:
    intent_id = submitted(cli, worker.address)
    first = worker.takes()
    worker.says("acknowledge", first)
    ended = cli("intents", "redeliver", intent_id, "--json")
    second = worker.takes()
    assert (ended.exit_code, second["intent_id"], second["attempt"]) == (0, intent_id, first["attempt"] + 1)
    assert second["lease"] != first["lease"]
