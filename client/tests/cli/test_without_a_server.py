"""The command line where no server is needed: contexts, files, and what users get wrong."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = "http://127.0.0.1:9"
KEY = "axme_sa_sa_0123456789abcdef_secretsecret"


def perdure(
    home: Path, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PERDURE_", "AXME_"))}
    return subprocess.run(
        [sys.executable, "-m", "perdure.cli", *arguments],
        env={**inherited, "XDG_CONFIG_HOME": str(home), **variables},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["frobnicate"], 2),
        (["intents"], 2),
        (["intents", "list", "--limit", "9999"], 2),
        (["intents", "get", "no-uuid", "--url", NOBODY], 2),
        (["scenarios", "apply", "/nowhere/at/all.json"], 2),
        (["intents", "submit", "--payload", "{", "--to", "a", "--type", "b.c.v1"], 2),
        (["intents", "list", "--url", "ftp://x"], 2),
        (["whoami"], 3),
        (["logout"], 3),
        (["context", "use", "unknown"], 4),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_users_mistake_is_a_sentence_and_an_exit_code(
    tmp_path: Path, arguments: list[str], exit_code: int, as_json: bool
) -> None:
    ended = perdure(tmp_path, *arguments, *(["--json"] if as_json and len(arguments) > 1 else []))
    assert ended.returncode == exit_code, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    if as_json and len(arguments) > 1:
        assert json.loads(ended.stdout)["exit_code"] == exit_code


def test_a_server_that_is_away_is_exit_code_6(tmp_path: Path) -> None:
    ended = perdure(tmp_path, "intents", "list", "--json", "--url", NOBODY, PERDURE_API_KEY=KEY)
    assert ended.returncode == 6, ended.stderr
    assert json.loads(ended.stdout)["ok"] is False
    assert "secretsecret" not in ended.stdout + ended.stderr


def test_contexts_are_for_their_owner_alone_and_never_show_the_secret(tmp_path: Path) -> None:
    place = tmp_path / "perdure"
    place.mkdir(mode=0o755)
    entry = {"url": NOBODY, "api_key": KEY}
    (place / "contexts.json").write_text(json.dumps({"current": "a", "contexts": {"a": entry, "b": entry}}))
    used = perdure(tmp_path, "context", "use", "b")
    shown = perdure(tmp_path, "context", "show", "--json")
    assert used.returncode == 0, used.stderr
    assert json.loads(shown.stdout)["context"]["name"] == "b"
    assert "secretsecret" not in shown.stdout
    assert stat.S_IMODE((place / "contexts.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
