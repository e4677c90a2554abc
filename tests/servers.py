"""A complete, real Perdure in processes of its own, whose parts a test can kill, stop and start again.

    with Perdure(web=2) as perdure:
        perdure.web[0].kill()
        wait_until(lambda: perdure.web[1].is_answering())

Each has its own PERDURE_HOME, PostgreSQL and Valkey. Nothing is restarted behind the test's back: there is no
supervisor. Web processes listen each on a port of their own, as behind a load balancer.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import psutil

from controlplane import services
from controlplane.listener import listen

REPOSITORY = Path(__file__).resolve().parents[1]
T = TypeVar("T")

#: Prints what `bootstrap` returns, as KEY=value lines. Runs apart: the tests' own Django uses another database.
BOOT = """
import django; django.setup()
from django.core.management import call_command
from agents.bootstrap import bootstrap
call_command("migrate", interactive=False, verbosity=0)
for name, value in bootstrap({}).items(): print(f"{name}={value}")
"""


def wait_until(predicate: Callable[[], T], deadline: float = 30.0, what: str = "") -> T:
    """What the predicate says as soon as that is true; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (answer := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"Not within {deadline} s: {what or predicate}")
        time.sleep(0.02)
    return answer


class Running:
    """What runs within a `with`, and is stopped even if it does not start."""

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Process:
    """One process of a Perdure. `log` is the file with all it wrote, `code` the directory of the build that it runs."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        log: Path,
        code: Path = REPOSITORY,
    ) -> None:
        self.name = name
        self.command = command
        self.environment = environment
        self.log = log
        self.code = code
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                # Both, for Celery looks into the directory that it runs in before all others.
                env={**self.environment, "PYTHONPATH": str(self.code)},
                cwd=self.code,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # as `make up` does: Ctrl-C is for us, who then end them
            )

    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it has ended: minus the number of the signal that ended it, if one did; None while it runs."""
        return None if self._popen is None else self._popen.poll()

    def stop(self, patience: float = 20) -> None:
        """Ask it to end, and wait until it has."""
        if self._popen is not None and self.is_running():
            self._popen.terminate()
            try:
                self._popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not stop:\n{self.log.read_text()[-3000:]}") from None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def freeze(self) -> None:
        """Let it hang as if its machine had vanished; `thaw` ends that."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def is_frozen(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED


class Web(Process):
    """A web process on a port that stays the same over restarts."""

    def __init__(
        self, number: int, environment: Mapping[str, str], log: Path, code: Path = REPOSITORY
    ) -> None:
        self.host = "127.0.0.1"
        with listen(self.host, 0) as free:
            self.port: int = free.getsockname()[1]
        own = {"PERDURE_HOST": self.host, "PERDURE_PORT": str(self.port)}
        command = [sys.executable, "-m", "controlplane.web"]
        super().__init__(f"web {number}", command, {**environment, **own}, log, code)

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def is_answering(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", "/healthz/live")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def wait(self) -> None:
        """Until it answers. Says what it wrote, should it have died instead."""
        wait_until(lambda: self.is_answering() or not self.is_running(), 180, f"{self.name} answers")
        assert self.is_running(), f"{self.name} ended:\n{self.log.read_text()[-3000:]}"


class Perdure(Running):
    """PostgreSQL, Valkey, N web processes, and worker with beat, started on `with` and gone after it.

    `facts` holds what dev.env would: AXME_BASE_URL (of the first web process), AXME_API_KEY, PERDURE_ORG_ID, …
    """

    def __init__(
        self,
        web: int = 1,
        *,
        worker: bool = True,
        server: str = "uvicorn",
        code: Path = REPOSITORY,
        **variables: str,
    ) -> None:
        self.code = code
        self.directory = Path(tempfile.mkdtemp(prefix="perdure-"))
        self.home = self.directory / "home"
        self.postgres = services.PostgreSQL(self.home)
        self.valkey = services.Valkey(self.home)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
        self.environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "controlplane.settings.development",
            "PYTHONPATH": str(code),
            "PERDURE_HOME": str(self.home),
            "PERDURE_SERVER": server,
            "DATABASE_URL": services.database_url(self.home),
            "REDIS_URL": services.redis_url(self.home),
            **variables,
        }
        logs = self.directory
        self.web = [Web(number, self.environment, logs / f"web-{number}.log", code) for number in range(web)]
        command = [sys.executable, "-m", "controlplane.worker"]
        self.worker = Process("worker and beat", command, self.environment, logs / "worker.log", code)
        self.has_worker = worker
        self.facts: dict[str, str] = {}

    @property
    def base_url(self) -> str:
        return self.web[0].base_url

    @property
    def key(self) -> str:
        return self.facts["AXME_API_KEY"]

    def start(self) -> None:
        self.postgres.start()
        self.valkey.start()
        boot = [sys.executable, "-c", BOOT]
        booted = subprocess.run(
            boot, env=self.environment, cwd=self.code, capture_output=True, text=True, check=False
        )
        assert booted.returncode == 0, booted.stderr
        lines = booted.stdout.splitlines()
        self.facts = {name: value for name, _, value in (line.partition("=") for line in lines)}
        self.facts["AXME_BASE_URL"] = self.base_url
        for web in self.web:
            web.start()
        if self.has_worker:
            self.worker.start()
        for web in self.web:
            web.wait()

    def stop(self) -> None:
        for process in (*self.web, self.worker):
            process.kill()
        self.postgres.kill()
        self.valkey.kill()
        shutil.rmtree(services.socket_directory(self.home), ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
