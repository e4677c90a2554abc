"""An upgrade as docs/operations.md says, from the code before the newest migration, while everybody works."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import builds
from tests.end_to_end.actors import Actor
from tests.live import Operator, complaints, in_database, verify_history
from tests.operations.load import Load
from tests.operations.nginx import Front, need_nginx
from tests.servers import REPOSITORY, Perdure, Process

APPLIED = "SELECT app, name FROM django_migrations ORDER BY app, name"


def manage(perdure: Perdure, *command: str) -> None:
    """Run a command of operators, of the newer code."""
    environment = {**perdure.environment, "PYTHONPATH": str(REPOSITORY)}
    run = [sys.executable, str(REPOSITORY / "manage.py"), *command]
    done = subprocess.run(run, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def restart(process: Process, code: Path) -> None:
    """Stop the process, and start that of this code."""
    process.stop(40)
    process.code = code
    process.start()


def test_the_code_before_the_newest_migration_serves_beside_it_until_it_is_replaced_and_again_afterwards(
    tmp_path: Path,
) -> None:
    need_nginx()
    try:
        before = builds.before_the_newest_migration(tmp_path)
    except builds.NoBuild as reason:
        pytest.skip(str(reason))
    (tmp_path / "front").mkdir()
    with Front(tmp_path / "front", code=before.directory) as front:
        perdure = front.perdure
        known = in_database(perdure, APPLIED)
        with Operator.of(perdure) as operator:
            worker, sleeper = operator.register(), operator.register()
            owed = operator.submit(sleeper, {"rows": 3})

        def works(web: int) -> None:
            """An agent finishes what it is sent by this process."""
            with Actor("socket_agent.py", worker.key, worker.address, perdure.web[web].base_url) as agent:
                agent.hear("done", 60)

        with Load(front, worker, submitters=1) as load:
            works(0)
            manage(perdure, "migrate")
            manage(perdure, "collectstatic", "--no-input")
            assert len(in_database(perdure, APPLIED)) > len(known), f"{before.commit} knew them all"
            load.goes_on()
            works(0)

            restart(perdure.worker, REPOSITORY)
            for number, web in enumerate(perdure.web):
                restart(web, REPOSITORY)
                web.wait()
                load.goes_on()
                works(number)

            web = perdure.web[0]  # and the way back, beside the database that stays
            restart(web, before.directory)
            web.wait()
            load.goes_on()
            works(0)

        with (
            Operator.of(perdure) as operator,
            Actor("socket_agent.py", sleeper.key, sleeper.address, perdure.base_url),
        ):
            assert operator.wait_for(owed, "COMPLETED", deadline=60)["payload"] == {"rows": 3}
        assert Counter(load.let_down) == Counter()
        verify_history(perdure)
        assert complaints(perdure) == []
