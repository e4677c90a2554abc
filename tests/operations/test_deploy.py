"""What is written in deploy/ and the Dockerfile fits together and fits the code: files, commands, variables, users."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from controlplane import services
from tests.servers import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "perdure"}
SETTINGS = "\n".join(path.read_text() for path in (REPOSITORY / "controlplane" / "settings").glob("*.py"))
#: The variables that the settings read, and the one that chooses among them.
READ = set(re.findall(r'(?:text|items|integer|boolean|required|path_prefix)\(\s*"([A-Z_]+)"', SETTINGS))
KNOWN = READ | {"DJANGO_SETTINGS_MODULE"}
#: Of other programs: Python's, the shell's and PostgreSQL's own.
FOREIGN = re.compile(r"PATH|PIP_\w+|PYTHON\w+|POSTGRES_\w+")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, line by line: (instruction, arguments)."""
    text = "\n".join(
        line for line in (REPOSITORY / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    )
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def unit(name: str) -> RawConfigParser:
    """A unit file; of settings that are given twice, the last."""
    parsed = RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(DEPLOY / "systemd" / name)
    return parsed


def assert_exists(command: list[str]) -> None:
    """Fail unless this repository can run the command."""
    program, *arguments = command
    assert Path(program).name == "python", command
    if arguments[0] == "manage.py":
        assert arguments[1] in get_commands(), command
    else:
        assert arguments[0] == "-m" and find_spec(arguments[1]), command  # noqa: PT018 (one thing)


def test_the_readme_lists_each_variable_and_no_other() -> None:
    table = set(re.findall(r"^\| `([A-Z_]+)`", (REPOSITORY / "README.md").read_text(), re.MULTILINE))

    assert table == KNOWN


def test_the_example_names_each_variable_that_production_requires_and_knows_all_it_names() -> None:
    lines = (DEPLOY / "perdure.env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}

    assert set(re.findall(r'required\("([A-Z_]+)"\)', SETTINGS)) <= named
    assert {name for name in named - KNOWN if not FOREIGN.fullmatch(name)} == set()


def test_the_image_runs_as_nobody_in_particular_and_what_it_runs_exists() -> None:
    found = instructions()
    last = dict(found)

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])
    assert [instruction for instruction, _ in found].index("USER") > max(
        number for number, (instruction, _) in enumerate(found) if instruction == "RUN"
    )
    assert_exists(json.loads(last["CMD"]))
    assert "'/healthz/live'" in last["HEALTHCHECK"]
    kept = (REPOSITORY / ".dockerignore").read_text()
    for source in [args.split()[-2] for kind, args in found if kind == "COPY" and "--from" not in args]:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source}\n" in kept
    named = {
        name for kind, args in found if kind in {"ENV", "ARG"} for name in re.findall(r"\b([A-Z_]+)=", args)
    }
    assert {name for name in named - KNOWN if not FOREIGN.fullmatch(name)} == set()


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_can_write_nowhere_and_become_nobody(name: str) -> None:
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert (DEPLOY / f"{service['env_file']}.example").exists()
    assert (DEPLOY / service["build"]["context"] / "Dockerfile").exists()
    if "command" in service:
        assert_exists(service["command"])
    for needed, condition in service["depends_on"].items():
        assert needed in COMPOSE["services"]
        if condition["condition"] == "service_healthy":
            assert "test" in COMPOSE["services"][needed]["healthcheck"]


def test_the_container_of_postgresql_has_the_settings_that_make_up_gives_to_its_own() -> None:
    postgres = COMPOSE["services"]["postgres"]
    program, *given = postgres["command"]
    settings = dict(each.removeprefix("--").split("=", 1) for each in given)

    assert program == "postgres"
    # Of the others one says where it listens, which is another place, and what it logs, which goes elsewhere.
    elsewhere = {"listen_addresses", "unix_socket_permissions", "log_checkpoints", "timezone", "log_timezone"}
    wanted = {name: value for name, value in services.POSTGRES_SETTINGS.items() if name not in elsewhere}
    assert settings == wanted
    assert services.POSTGRES_ENVIRONMENT.items() <= postgres["environment"].items()


def test_nothing_but_the_web_process_is_reached_from_outside_and_that_from_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}

    assert ports == {"web": ["127.0.0.1:8000:8000"]}
    assert {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
    } == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", [path.name for path in UNITS if path.suffix == ".service"])
def test_a_unit_runs_what_exists_and_not_as_root(name: str) -> None:
    service = unit(name)["Service"]

    assert service["User"] == "perdure"
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("true", "strict")
    assert_exists(shlex.split(service["ExecStart"]))
    assert service["Environment"].partition("=")[0] in KNOWN


def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        if os.environ.get("CI"):
            pytest.fail("There is no systemd-analyze here, and continuous integration may not do without.")
        pytest.skip("There is no systemd-analyze here: it comes with systemd.")
    for path in UNITS:
        # Where it is installed there is nothing here; any Python does for looking whether it is one.
        text = path.read_text().replace("/srv/perdure/.venv/bin/python", sys.executable)
        (tmp_path / path.name.replace("@.", "@8001.")).write_text(text)

    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)

    ours = [line for line in verified.stderr.splitlines() if "perdure" in line or str(tmp_path) in line]
    assert (verified.returncode, ours) == (0, []), verified.stderr


def test_drains_are_given_the_time_that_they_take() -> None:
    from controlplane import leaving, web

    longest = leaving.LINGER_SECONDS + 2 * web.DRAIN_SECONDS
    for name in ("perdure-web@.service", "perdure-worker.service"):
        assert int(unit(name)["Service"]["TimeoutStopSec"]) > longest
    for service in OURS.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > longest
    [kept] = re.findall(r"keepalive_timeout (\d+)s;", (DEPLOY / "nginx.conf").read_text())
    assert int(kept) < leaving.LINGER_SECONDS


def test_the_container_of_postgresql_knows_none_of_our_secrets() -> None:
    postgres = COMPOSE["services"]["postgres"]
    example = (DEPLOY / f"{postgres['env_file']}.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in example if line and not line.startswith("#")}

    assert postgres["env_file"] not in {service["env_file"] for service in OURS.values()}
    assert named == {"POSTGRES_PASSWORD"}
    assert not {"SECRET_KEY", "PERDURE_KEY_PEPPER"} & set(postgres["environment"])
