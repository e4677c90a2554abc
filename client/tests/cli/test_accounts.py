"""Logging in and out, keys, agents, doctor: against a real server."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from .conftest import Cli, Server


def test_login_keeps_a_context_that_later_commands_use_until_logout(
    bare: Cli, server: Server, tmp_path: Path
) -> None:
    login = bare(
        "login", "--url", server.url, "--api-key-file", "-", "--name", "home", stdin=server.key + "\n"
    )
    assert login.exit_code == 0, login
    assert bare("whoami", "--json").document["url"] == server.url
    assert bare("context", "show", "--json").document["context"]["name"] == "home"
    assert "home" in bare("context", "list").out
    everything = [bare("whoami"), bare("context", "show"), bare("doctor"), login]
    assert not [each for each in everything if server.key in each.out + each.err]
    assert bare("logout").exit_code == 0
    assert bare("whoami").exit_code == 3


def test_a_context_can_be_deleted_once(bare: Cli, server: Server) -> None:
    bare("login", "--url", server.url, "--api-key-file", "-", "--name", "home", stdin=server.key)
    assert bare("context", "use", "home").exit_code == 0
    assert [bare("context", "delete", "home").exit_code for _ in range(2)] == [0, 4]


def test_a_key_that_is_none_is_not_kept(bare: Cli, server: Server, tmp_path: Path) -> None:
    wrong = server.key[:-4] + "AAAA"
    refused = bare("login", "--url", server.url, "--api-key-file", "-", "--json", stdin=wrong)
    assert (refused.exit_code, refused.document["ok"]) == (3, False)
    assert not (tmp_path / "config" / "perdure" / "contexts.json").exists()


def test_doctor_finds_nothing_wrong_here_and_names_what_is_wrong_elsewhere(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = cli("doctor", "--json")
    assert well.exit_code == 0, well
    assert {"reach", "ready", "key", "websocket"} <= {each["check"] for each in well.document["checks"]}
    monkeypatch.setenv("PERDURE_API_KEY", "axme_sa_none")
    ill = cli("doctor", "--json")
    assert ill.exit_code == 3
    assert [each["check"] for each in ill.document["checks"] if each["state"] == "failed"] == ["key"]


def test_a_key_opens_until_it_is_revoked(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    made = cli(
        "keys", "create", "key-holder", "--register", "--expires-in", "30d", "-o", file, "--json"
    ).document
    key_id = made["key"]["key_id"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in json.dumps(made)
    assert key_id in cli("keys", "list", "key-holder").out

    revoked = cli("keys", "revoke", "key-holder", key_id, "--json")
    assert revoked.document["key"]["status"] == "revoked"
    monkeypatch.setenv("PERDURE_API_KEY", file.read_text().strip())
    assert cli("whoami").exit_code == 3


def test_keys_of_nobody_and_a_key_that_may_not_make_keys(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("keys", "create", "nobody-at-all").exit_code == 4
    assert cli("keys", "list", "nobody-at-all").exit_code == 4
    weak = cli("keys", "create", "weak", "--register", "--scope", "agent", "--json").document["key"]["token"]
    assert cli("keys", "revoke", "weak", "key_0000").exit_code == 4
    monkeypatch.setenv("PERDURE_API_KEY", weak)
    refused = cli("keys", "create", "weak", "--json")
    assert (refused.exit_code, refused.document["error"]["code"]) == (3, "forbidden")


def test_one_does_not_revoke_ones_own_key_by_mistake(cli: Cli) -> None:
    me = cli("whoami", "--json").document
    refused = cli("keys", "revoke", me["service_account"]["service_account_id"], me["key_id"])
    assert refused.exit_code == 5, refused
    assert cli("whoami").exit_code == 0


def test_agents_are_listed_and_shown(cli: Cli) -> None:
    cli("keys", "create", "to-be-seen", "--register")
    listed = cli("agents", "list", "--json").document["agents"]
    assert "agent://myorg/production/to-be-seen" in [each["address"] for each in listed]
    shown = cli("agents", "show", "to-be-seen")
    assert (shown.exit_code, "to-be-seen" in shown.out) == (0, True)
    assert cli("agents", "show", "nobody-at-all").exit_code == 4


def test_agents_are_killed_and_resumed(cli: Cli, server: Server) -> None:
    cli("keys", "create", "to-be-killed", "--register")

    killed = cli("agents", "kill", "to-be-killed", "--reason", "it deletes customers", "--json")

    assert killed.exit_code == 0, killed
    assert (killed.document["status"], killed.document["health_status"]) == ("killed", "killed")
    refused = cli("intents", "submit", "--type", "demo.work.v1", "--to", "to-be-killed", "--json")
    assert refused.document["error"]["code"] == "agent_killed"
    shown = cli("agents", "show", "to-be-killed")
    assert "it deletes customers" in shown.out
    assert "agent.killed" in shown.out
    [listed] = [
        agent
        for agent in cli("agents", "list", "--json").document["agents"]
        if agent["address"].endswith("/to-be-killed")
    ]
    assert listed["health_status"] == "killed"

    resumed = cli("agents", "resume", "to-be-killed", "--json")

    assert (resumed.exit_code, resumed.document["status"]) == (0, "active")
    assert cli("intents", "submit", "--type", "demo.work.v1", "--to", "to-be-killed", "--json").exit_code == 0
    assert cli("agents", "kill", "nobody-at-all").exit_code == 4
