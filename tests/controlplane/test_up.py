"""`make up` from outside: what it starts, what it survives, what it leaves behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controlplane import home, services
from controlplane.listener import listen
from tests.servers import REPOSITORY, wait_until

pytestmark = pytest.mark.e2e


class Up:
    """One home, and the `manage.py up` that runs from it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.log = directory / "log"
        with listen("127.0.0.1", 0) as free:
            self.port = free.getsockname()[1]
        inherited = {name: v for name, v in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        self.environment = inherited | {
            "DJANGO_SETTINGS_MODULE": "controlplane.settings.development",
            "PERDURE_HOME": str(self.home),
            "PERDURE_PORT": str(self.port),
            "PERDURE_WEB_PROCESSES": "2",
        }
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> psutil.Process:
        """Start it, and wait until it has announced itself."""
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=REPOSITORY,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        wait_until(
            lambda: "Ctrl-C" in self.log.read_text() or not self.is_running(), 60, "it announces itself"
        )
        assert self.is_running(), self.log.read_text()
        return psutil.Process(self.popen.pid)

    def run(self) -> subprocess.CompletedProcess[str]:
        """Start another from the same home, which is expected to refuse."""
        return subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz/live", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def facts(self) -> dict[str, str]:
        return home.read_variables(self.home / "dev.env")

    def running(self) -> psutil.Process:
        """The one that runs, started if none does."""
        return psutil.Process(self.popen.pid) if self.popen and self.is_running() else self.start()

    def clean_up(self) -> None:
        if self.popen is not None:
            self.popen.terminate()
            self.popen.wait(30)
        services.PostgreSQL(self.home).kill()
        services.Valkey(self.home).kill()


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    directory = Path(tempfile.mkdtemp(prefix="perdure-up-"))
    up = Up(directory)
    yield up
    up.clean_up()
    shutil.rmtree(directory)


def test_a_port_that_is_taken_is_said_before_anything_starts(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.port)):
        refused = up.run()

    assert refused.returncode == 1
    assert f"port {up.port}" in refused.stderr
    assert "PERDURE_PORT" in refused.stderr
    assert not (up.home / "postgresql").exists()


def test_it_starts_all_and_stops_all(up: Up) -> None:
    process = up.start()
    family = process.children(recursive=True)
    names = " ".join(" ".join(child.cmdline()) for child in family)
    facts = up.facts()

    assert names.count("controlplane.web") == 2
    assert names.count("controlplane.worker") == 1
    assert up.answers()
    assert facts["AXME_BASE_URL"] == f"http://127.0.0.1:{up.port}"
    assert facts["AXME_API_KEY"] in up.log.read_text()

    process.send_signal(signal.SIGINT)

    assert up.popen is not None
    assert up.popen.wait(30) == 0
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_only_one_runs_from_a_home(up: Up) -> None:
    process = up.running()

    refused = up.run()

    assert refused.returncode == 1
    assert f"already, as process {process.pid}" in refused.stderr


def test_killed_without_warning_it_recovers_with_data_key_and_password(up: Up) -> None:
    process = up.running()
    before = up.facts()
    ours = [child for child in process.children() if "controlplane" in " ".join(child.cmdline())]

    assert up.popen is not None
    up.popen.kill()
    up.popen.wait()

    # The lifeline ends our own processes; the embedded servers stay and are found again.
    assert psutil.wait_procs(ours, timeout=20)[1] == []
    up.start()
    assert "PostgreSQL was running already." in up.log.read_text()
    assert up.facts() == before


def test_whoever_is_killed_is_started_again(up: Up) -> None:
    process = up.running()
    for child in process.children():
        if "controlplane" in " ".join(child.cmdline()):
            child.kill()
    services.PostgreSQL(up.home).kill()
    services.Valkey(up.home).kill()

    def is_whole() -> bool:
        servers = services.PostgreSQL(up.home), services.Valkey(up.home)
        return all(server.is_answering() for server in servers) and up.answers()

    wait_until(is_whole, 30, "all answer again")
