"""docs/cli.md has every command and every exit code, and its commands run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import typer.main

from perdure.cli.app import app
from perdure.cli.exits import Exit
from support.pages import folder, snippets, table
from support.server import Server


def commands() -> set[str]:
    """Every command that there is, in full."""
    root = typer.main.get_command(app)
    found = set()
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in below} if below else {name}
    return found


def test_every_command_is_on_the_page_and_no_other() -> None:
    rows = table("docs/cli.md", "Command")
    named = {re.match(r"`perdure ([a-z ]+?)(?: [A-Z\[].*)?`$", row[0]) for row in rows}
    assert None not in named
    assert {match[1] for match in named if match} == commands()


def test_every_exit_code_is_on_the_page_and_no_other() -> None:
    codes = {int(row[0]) for row in table("docs/cli.md", "Exit code")}
    assert codes == {int(each) for each in Exit}
    for row in table("docs/cli.md", "Command"):
        assert {int(each) for each in re.findall(r"\b\d+\b", row[2])} <= codes


def test_the_commands_of_the_page_run_in_the_folder_of_the_example(server: Server, tmp_path: Path) -> None:
    perdure = tmp_path / "bin" / "perdure"
    perdure.parent.mkdir()
    perdure.write_text(f'#!/bin/sh\nexec {sys.executable} -m perdure.cli "$@"\n')
    perdure.chmod(0o755)
    source = str(Path(__file__).parents[2] / "src")
    environment = {
        **server.environment,
        "PATH": f"{perdure.parent}:{os.environ['PATH']}",
        "PYTHONPATH": source,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    [script] = snippets("docs/cli.md", "sh")

    ended = subprocess.run(
        ["sh", "-e"],
        input=script,
        env=environment,
        cwd=folder("examples/pipeline"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended
    assert "pipeline-agent-demo" in ended.stdout
    [kept] = tmp_path.glob("config/perdure/scenario-agents.json")
    assert kept.stat().st_mode & 0o777 == 0o600
