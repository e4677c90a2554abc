"""A backup that is taken while everybody works, restored: the commands are those of docs/operations.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from controlplane import services
from tests.end_to_end.actors import Actor
from tests.live import Operator, in_database
from tests.operations.load import Load
from tests.operations.nginx import Front
from tests.servers import REPOSITORY, Web

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
RESTORED = "restored"


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, of the very version that runs."""
    command = [services._postgres(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def restored_url(front: Front) -> Iterator[str]:
    """A database that is empty, beside the one in use."""
    url = front.perdure.environment["DATABASE_URL"]
    in_database(front.perdure, f"CREATE DATABASE {RESTORED}")
    yield url.rpartition("/")[0] + f"/{RESTORED}"
    in_database(front.perdure, f"DROP DATABASE {RESTORED} WITH (FORCE)")


def test_a_backup_taken_under_load_is_whole_and_its_agents_go_on(
    front: Front, restored_url: str, tmp_path: Path
) -> None:
    perdure = front.perdure
    with Operator.of(perdure) as operator:
        busy, resting = operator.register(), operator.register()
        owed = operator.submit(resting, {"rows": 3})
    dump = str(tmp_path / "perdure.dump")
    assert "pg_dump --format=custom" in OPERATIONS
    with (
        Load(front, busy) as load,
        Actor("socket_agent.py", busy.key, busy.address, perdure.base_url) as agent,
    ):
        load.goes_on()
        agent.hear("done", 60)
        before = list(load.accepted)
        run("pg_dump", "--format=custom", f"--file={dump}", perdure.environment["DATABASE_URL"])
        load.goes_on()
    assert load.let_down == []

    assert conninfo_to_dict(restored_url)["dbname"] == RESTORED
    assert "pg_restore --exit-on-error --no-owner" in OPERATIONS
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored_url}", dump)

    environment = {**perdure.environment, "DATABASE_URL": restored_url}
    verify = [sys.executable, str(REPOSITORY / "manage.py"), "verify_history"]
    verified = subprocess.run(verify, env=environment, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    restored = Web(7, environment, tmp_path / "restored.log")
    restored.start()
    try:
        restored.wait()
        facts = perdure.facts
        ids = facts["PERDURE_ORG_ID"], facts["PERDURE_WORKSPACE_ID"]
        with (
            Operator(restored.base_url, perdure.key, *ids) as there,
            Operator.of(perdure) as here,
            Actor("socket_agent.py", resting.key, resting.address, restored.base_url),
        ):
            assert there.wait_for(owed, "COMPLETED", deadline=60)["payload"] == {"rows": 3}
            assert here.status(owed) == "SUBMITTED"  # the backup is another world
            assert len(before) >= 20
            for intent_id in before:  # what was accepted before the backup began is in it
                assert there.intent(intent_id)
    finally:
        restored.stop()


def test_another_host_needs_the_environment_alone_and_writes_nothing(front: Front, tmp_path: Path) -> None:
    frozen = ["unshare", "--mount", "sh", "-c"]
    if subprocess.run([*frozen, "mount --make-rprivate /"], capture_output=True, check=False).returncode:
        pytest.skip("Only root may make a filesystem that is read-only for one process.")
    example = (REPOSITORY / "deploy" / "perdure.env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in example if line and not line.startswith("#")}
    given = {name: value for name, value in front.perdure.environment.items() if name in named}
    given |= {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONDONTWRITEBYTECODE": "1"}
    given |= {"PYTHONPATH": str(REPOSITORY), "PERDURE_HOME": "/nowhere"}
    given["STATIC_ROOT"] = front.perdure.environment["STATIC_ROOT"]  # part of what is installed
    another = Web(8, given, tmp_path / "another.log")
    read_only = "mount --make-rprivate / && mount -o remount,bind,ro / && cd /"
    another.command = [*frozen, f"{read_only} && exec {sys.executable} -m controlplane.web"]
    another.start()
    try:
        another.wait()
        facts = front.perdure.facts
        ids = facts["PERDURE_ORG_ID"], facts["PERDURE_WORKSPACE_ID"]
        with Operator(another.base_url, front.perdure.key, *ids) as there, Operator.of(front.perdure) as here:
            account = there.register()
            with Actor("socket_agent.py", account.key, account.address, another.base_url) as agent:
                agent.hear("listening", 30)
                intent_id = here.submit(account)
                agent.hear("done", 30)
                assert here.wait_for(intent_id, "COMPLETED", deadline=30)
    finally:
        another.stop()
    assert "Read-only" not in another.log.read_text()
