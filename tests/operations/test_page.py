"""What docs/operations.md tells operators to type does what it says, in that order, when it is typed as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.operations.page import BLOCKS, block, run
from tests.servers import REPOSITORY

#: In place of every program: notes what was asked of it, and which release the units would run if they started now.
NOTES = """#!/bin/sh
echo "$(basename "$0") $*; $(readlink "$SRV/perdure" | xargs --no-run-if-empty basename)" >> "$SRV/notes"
case "$(basename "$0") $*" in
"python3 -m venv .venv") mkdir --parents .venv/bin && touch .venv/bin/activate && ln -s "$0" .venv/bin/pip ;;
"curl "*) [ "$(grep --count "^curl .*$port" "$SRV/notes")" -ge 3 ] ;;
esac
"""
PROGRAMS = ("python", "python3", "useradd", "systemctl", "curl", "sleep", "cp")


@dataclass
class Host:
    """A machine with two releases on it, whose programs only note what they are asked."""

    srv: Path

    def type(self, lines: list[str]) -> list[str]:
        """What the lines ask of its programs, each with the release that the link names at that moment."""
        environment = {"PATH": f"{self.srv / 'programs'}:/usr/bin:/bin", "SRV": str(self.srv), "port": ""}
        moved = [line.replace("/srv/", f"{self.srv}/").replace("/etc/", f"{self.srv}/etc/") for line in lines]
        run(["export port", *moved], environment, self.srv)
        return (self.srv / "notes").read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for directory in ("programs", "perdure-1", "perdure-2", "etc/perdure"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/perdure/perdure.env").write_text("DATABASE_URL=postgresql://somewhere/perdure\n")
    for name in PROGRAMS:
        (tmp_path / "programs" / name).write_text(NOTES)
        (tmp_path / "programs" / name).chmod(0o755)
    return Host(tmp_path)


def positions(notes: list[str], *wanted: str) -> list[int]:
    """Where each of these is the first time; fails if one is nowhere."""
    return [next(n for n, note in enumerate(notes) if note.startswith(each)) for each in wanted]


def test_who_installs_makes_the_database_before_anything_starts_and_the_link_before_the_units(
    host: Host,
) -> None:
    notes = host.type(block("cd /srv/perdure-1"))

    found = positions(notes, "pip install", "python manage.py migrate", "python manage.py bootstrap")
    found += positions(notes, "systemctl daemon-reload", "systemctl enable --now")
    assert found == sorted(found)
    assert [note for note in notes if note.startswith("systemctl") and not note.endswith("; perdure-1")] == []


def test_who_upgrades_migrates_beside_the_old_code_and_starts_only_new_one_when_the_one_before_is_ready(
    host: Host,
) -> None:
    (host.srv / "perdure").symlink_to(host.srv / "perdure-1")

    notes = host.type(block("cd /srv/perdure-2"))

    told = [(said.split()[0], said.split()[-1], release) for said, release in (n.split("; ") for n in notes)]
    migrated, collected = positions(notes, "python manage.py migrate", "python manage.py collectstatic")
    [first, second] = positions(
        notes, "systemctl restart perdure-web@8001", "systemctl restart perdure-web@8002"
    )
    [worker] = positions(notes, "systemctl restart perdure-worker")
    assert migrated < collected < worker < first < second
    assert [release for _, _, release in told[: collected + 1]] == ["perdure-1"] * (collected + 1)
    assert [release for _, _, release in told[worker:]] == ["perdure-2"] * (len(told) - worker)
    # Asked three times, as it is ready the third time, and only then goes on to the next.
    asked = "http://127.0.0.1:{}/healthz/ready"
    waits = [[("curl", asked.format(port)), ("sleep", "1")] * 3 for port in (8001, 8002)]
    assert [each[:2] for each in told[first + 1 : second]] == waits[0][:-1]
    assert [each[:2] for each in told[second + 1 :]] == waits[1][:-1]


def test_processes_are_restarted_as_an_upgrade_restarts_them() -> None:
    loop = block("for port in")

    assert block("cd /srv/perdure-2")[-len(loop) :] == loop


def test_the_units_run_what_the_link_names_and_nothing_beside_it() -> None:
    for path in (REPOSITORY / "deploy" / "systemd").glob("*.service"):
        text = path.read_text()
        assert "WorkingDirectory=/srv/perdure\n" in text
        assert set(re.findall(r"/srv/[\w.-]+", text)) == {"/srv/perdure"}


def test_each_command_for_containers_names_a_service_that_there_is() -> None:
    services = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())["services"]
    lines = [line for lines in BLOCKS for line in lines if line.startswith("$compose ")]
    asked = [words for line in lines if (words := line.split("#")[0].split()[1:])]

    assert len(asked) >= 8
    assert {words[0] for words in asked} == {"up", "run", "exec", "build"}
    for verb, *rest in asked:
        named = next((word for word in rest if not word.startswith("-")), None)
        assert named in services if verb in {"run", "exec"} else named is None, rest
