"""A backup that is taken while everybody works, restored: the commands are those of docs/operations.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from controlplane import services
from tests.end_to_end.actors import Actor
from tests.live import Operator, in_database
from tests.operations.load import Load
from tests.operations.nginx import Front
from tests.operations.page import block, run
from tests.servers import REPOSITORY, Web

RESTORED = "restored"
#: In place of Docker: what a service of compose.yaml is asked to run, run here, as those containers are set up.
DOCKER = """#!/bin/sh
set -eu
case "$*" in
"compose --file deploy/compose.yaml exec -T postgres "*) shift 6; exec "$@" ;;
"compose --file deploy/compose.yaml run --rm --no-deps web "*) shift 7; unset PGHOST; exec "$@" ;;
esac
echo "nobody knows what this does: $*" >&2
exit 1
"""


@pytest.fixture
def shell(front: Front, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an operator's shell, in an empty directory with the repository's `manage.py`."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore", "createdb"):
        (programs / name).symlink_to(services._postgres(name))
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    (tmp_path / "manage.py").symlink_to(REPOSITORY / "manage.py")
    perdure = front.perdure
    yield {
        **perdure.environment,
        "PATH": f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "PGHOST": str(services.socket_directory(perdure.home)),  # of the container; ours has no other address
        "compose": "docker compose --file deploy/compose.yaml",
    }
    in_database(perdure, f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")


def restored_url(front: Front) -> str:
    return front.perdure.environment["DATABASE_URL"].rpartition("/")[0] + f"/{RESTORED}"


def test_a_backup_taken_under_load_is_whole_and_its_agents_go_on(
    front: Front, shell: dict[str, str], tmp_path: Path
) -> None:
    perdure = front.perdure
    dump, *restore = block("pg_dump")
    del shell["PGHOST"]
    with Operator.of(perdure) as operator:
        busy, resting = operator.register(), operator.register()
        owed = operator.submit(resting, {"rows": 3})
    with (
        Load(front, busy) as load,
        Actor("socket_agent.py", busy.key, busy.address, perdure.base_url) as agent,
    ):
        load.goes_on()
        agent.hear("done", 60)
        before = list(load.accepted)
        run([dump], shell, tmp_path)
        load.goes_on()
    assert load.let_down == []

    run(restore, shell, tmp_path)

    environment = {**perdure.environment, "DATABASE_URL": restored_url(front)}
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


def test_what_containers_are_asked_for_a_backup_makes_one_and_restores_it(
    front: Front, shell: dict[str, str], tmp_path: Path
) -> None:
    with Operator.of(front.perdure) as operator:
        intent_id = operator.submit(operator.register())

    run(block("$compose exec"), shell, tmp_path)

    with psycopg.connect(restored_url(front)) as connection:
        found = connection.execute("SELECT count(*) FROM intents_intent WHERE id = %s", [intent_id])
        assert found.fetchone() == (1,)


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
