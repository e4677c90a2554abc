"""Gives the tests real servers: before Django reads its settings, and away again at the end.

`DATABASE_URL` and `REDIS_URL`, if set, name servers to use instead.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from controlplane import services

_running: list[services.Server] = []
_home: Path | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start what is missing. pytest-django loads the settings in the same hook, later."""
    global _home  # noqa: PLW0603 - one test run, one home
    # Importing `controlplane` has set the developers' settings already, and that would win over pyproject.toml.
    os.environ["DJANGO_SETTINGS_MODULE"] = "controlplane.settings.test"
    wanted = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if not wanted:
        return
    _home = Path(tempfile.mkdtemp(prefix="perdure-tests-"))
    os.environ.setdefault("PERDURE_HOME", str(_home / "home"))
    if "DATABASE_URL" in wanted:
        _start(services.PostgreSQL(_home))
        os.environ["DATABASE_URL"] = services.database_url(_home)
    if "REDIS_URL" in wanted:
        _start(services.Valkey(_home))
        os.environ["REDIS_URL"] = services.redis_url(_home)


def pytest_unconfigure() -> None:
    while _running:
        _running.pop().stop()
    if _home is not None:
        shutil.rmtree(services.socket_directory(_home), ignore_errors=True)
        shutil.rmtree(_home, ignore_errors=True)


def _start(server: services.Server) -> None:
    _running.append(server)
    server.start()
