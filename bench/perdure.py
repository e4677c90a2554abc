"""A complete Perdure of its own to measure, started as `make up` starts it and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from bench.database import Database
from controlplane import home, services
from controlplane.listener import listen

REPOSITORY = Path(__file__).resolve().parents[1]
#: What a first start takes on a busy machine: it makes a database and migrates it.
PATIENCE_SECONDS = 90


class Perdure:
    """PostgreSQL, Valkey, web processes, worker and beat in a temporary home, on a port of their own."""

    def __init__(self, web_processes: int = 1) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="perdure-bench-"))
        self.home = self.directory / "home"
        with listen("127.0.0.1", 0) as free:
            self.port: int = free.getsockname()[1]
        foreign = ("PERDURE_", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment = {
            **inherited,
            "PERDURE_HOME": str(self.home),
            "PERDURE_HOST": "127.0.0.1",
            "PERDURE_PORT": str(self.port),
            "PERDURE_WEB_PROCESSES": str(web_processes),
            "PERDURE_LOG_LEVEL": "WARNING",
            "PERDURE_SERVER": os.environ.get("PERDURE_SERVER", "uvicorn"),
        }
        self.log = self.directory / "up.log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.socket_url = f"ws://127.0.0.1:{self.port}/ws/agent"
        self.facts: dict[str, str] = {}
        self._agents: dict[str, tuple[str, str]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def key(self) -> str:
        """The key made at the first boot, which may do everything."""
        return self.facts["AXME_API_KEY"]

    def __enter__(self) -> Self:
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "controlplane.up"],
                    cwd=REPOSITORY,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is ours; we end it when we are done with it
                )
            self._wait_until_it_answers()
            self.admin = httpx.Client(base_url=self.url, headers={"x-api-key": self.key}, timeout=30)
            self.database = Database(services.database_url(self.home), self.facts)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self.admin.close()
        self._stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            self.facts = home.read_variables(self.home / "dev.env")
            with contextlib.suppress(httpx.HTTPError):
                is_live = httpx.get(f"{self.url}/healthz/live", timeout=2).status_code == 200
                if is_live and "AXME_API_KEY" in self.facts:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"Perdure does not start. The end of its log:\n{self.log.read_text()[-3000:]}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for server in (services.PostgreSQL(self.home), services.Valkey(self.home)):
                server.kill()
        shutil.rmtree(services.socket_directory(self.home), ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- what the figures need of it --------------------------------------------------------------------------

    def agent(self, name: str, max_in_flight: int = 1) -> tuple[str, str]:
        """The address of an agent of this name, and a key that is its own; made when it is first asked for."""
        if name not in self._agents:
            self._agents[name] = self._make_agent(name, max_in_flight)
        return self._agents[name]

    def _make_agent(self, name: str, max_in_flight: int) -> tuple[str, str]:
        made = self.call("POST", "/v1/service-accounts", name=name, max_in_flight=max_in_flight)
        account = made["service_account"]
        key = self.call("POST", f"/v1/service-accounts/{account['service_account_id']}/keys")
        return account["agent_address"], key["api_key"]

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Call the API with the administrator's key; anything but success is an error."""
        answer = self.admin.request(method, path, json=body if method != "GET" else None)
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found

    def for_django(self) -> dict[str, str]:
        """What the environment of a process needs that runs code of this Perdure beside it."""
        return {
            "PERDURE_HOME": str(self.home),
            "DATABASE_URL": services.database_url(self.home),
            "REDIS_URL": services.redis_url(self.home),
            "DJANGO_SETTINGS_MODULE": "controlplane.settings.development",
        }

    def database_log(self) -> Path:
        """What PostgreSQL logs."""
        return services.PostgreSQL(self.home).log

    def processes(self) -> dict[str, list[psutil.Process]]:
        """All processes of this Perdure by their part in it."""
        assert self._process is not None
        parts: defaultdict[str, list[psutil.Process]] = defaultdict(list)
        for child in psutil.Process(self._process.pid).children(recursive=True):
            command = " ".join(child.cmdline())
            part = "web" if "controlplane.web" in command else "worker" if ".worker" in command else None
            if part:
                parts[part].append(child)
        for name, server in (
            ("postgresql", services.PostgreSQL(self.home)),
            ("valkey", services.Valkey(self.home)),
        ):
            if pid := server.pid():
                main = psutil.Process(pid)
                parts[name] = [main, *main.children(recursive=True)]
        return dict(parts)

    def web(self) -> list[psutil.Process]:
        return self.processes()["web"]

    def cpu_seconds(self) -> dict[str, float]:
        """The processor time that each part has used so far."""
        return {part: sum(map(_cpu_seconds, found)) for part, found in self.processes().items()}


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)
