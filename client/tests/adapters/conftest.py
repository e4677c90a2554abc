"""A real server and real processes for the tests of the adapters; skips those whose framework is not installed.

The frameworks do not agree on one environment: each has its own, which `make adapters` makes.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS, RUN_SECONDS = 120, 300
#: folder -> the distribution without which its tests make no sense
FRAMEWORKS = {
    "autogen": "autogen-agentchat",
    "crewai": "crewai",
    "langgraph": "langgraph",
    "openai_agents": "openai-agents",
    "swarm": "openai-swarm",
}


class Missing(pytest.Dir):
    """A folder of tests that cannot run here, and says so."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        framework = FRAMEWORKS[self.path.name]
        pytest.skip(f"{framework} is not installed here: make adapters")


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Look into a folder only where its framework is."""
    if (
        path.parent == Path(__file__).parent
        and path.name in FRAMEWORKS
        and not _is_installed(FRAMEWORKS[path.name])
    ):
        directory: pytest.Collector = Missing.from_parent(parent, path=path)
        return directory
    return None


def _is_installed(framework: str) -> bool:
    try:
        version(framework)
    except PackageNotFoundError:
        return False
    return True


@dataclass(frozen=True)
class Ran:
    """How a program ended, and the lines that it has printed."""

    status: int
    lines: list[str]
    errors: str

    @property
    def was_killed(self) -> bool:
        return self.status == -9


@dataclass(frozen=True)
class Server:
    """A running Perdure, and a key for it."""

    url: str
    key: str

    def run(self, program: str, *arguments: str, **environment: object) -> Ran:
        """Run one of the repository's examples to its end, in a process of its own."""
        given = {name: str(value) for name, value in environment.items()}
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "examples" / program), *arguments],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("AXME_")},
                "PYTHONPATH": str(REPOSITORY / "client" / "src"),
                "PERDURE_URL": self.url,
                "PERDURE_API_KEY": self.key,
                **given,
            },
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout.splitlines(), done.stderr)


@pytest.fixture(scope="session")
def perdure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with a database of its own; or the one that PERDURE_URL and PERDURE_API_KEY name."""
    if "PERDURE_URL" in os.environ:
        yield Server(os.environ["PERDURE_URL"], os.environ["PERDURE_API_KEY"])
        return
    home = tmp_path_factory.mktemp("perdure")
    python = REPOSITORY / ".venv" / "bin" / "python"
    if not python.exists():
        pytest.skip("the server is not installed: make .venv/installed")
    with (home / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [str(python), "manage.py", "up"],
            cwd=REPOSITORY,
            env={**os.environ, "PERDURE_HOME": str(home), "PERDURE_PORT": str(_free_port())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        facts = _wait_for(home, up)
        yield Server(facts["AXME_BASE_URL"], facts["AXME_API_KEY"])
    finally:
        up.terminate()
        up.wait(60)


class Page:
    """A page on a framework: its Python is run as it stands, and so are the programs that its shell starts."""

    def __init__(self, file: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        text = (REPOSITORY / "docs" / "frameworks" / file).read_text()
        self.blocks: list[tuple[str, str]] = re.findall(
            r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
        )
        self._file, self._server, self._monkeypatch = file, server, monkeypatch
        monkeypatch.setenv("PERDURE_URL", server.url)
        monkeypatch.setenv("PERDURE_API_KEY", server.key)

    async def python(self, presumed: dict[str, Any], **renamed: str) -> dict[str, Any]:
        """What the names mean after all of its Python, where those that it presumes are given."""
        code = "\n".join(code for language, code in self.blocks if language == "python")
        for old, new in renamed.items():
            code = code.replace(old.replace("_", "-"), new)
        module = ModuleType("page")  # classes of the page have to be found in one
        self._monkeypatch.setitem(sys.modules, "page", module)
        vars(module).update(presumed)
        ran = eval(compile(code, self._file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), vars(module))
        if inspect.isawaitable(ran):
            await ran
        return vars(module)

    def shell(self, name: str) -> list[Ran]:
        """How the programs ended that its shell starts, with this name in place of order-7."""
        commands = re.findall(
            r"^(?:(\w+)=(\S+) )?python examples/(\S+) order-7",
            "".join(code for language, code in self.blocks if language == "sh"),
            re.MULTILINE,
        )
        return [
            self._server.run(program, name, **({variable: value} if variable else {}))
            for variable, value, program in commands
        ]


@pytest.fixture
def page(perdure: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Page]:
    """Reads a page of docs/frameworks."""
    return lambda file: Page(file, perdure, monkeypatch)


@pytest.fixture
def name() -> str:
    """A name that nothing else has: of a thread, a session, a flow."""
    return f"test-{uuid.uuid4().hex}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_for(home: Path, up: subprocess.Popen[Any]) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and up.poll() is None:
        if (home / "dev.env").exists():
            lines = (home / "dev.env").read_text().splitlines()
            facts = dict(line.split("=", 1) for line in lines if "=" in line)
            if "AXME_BASE_URL" in facts and _answers(facts["AXME_BASE_URL"]):
                return facts
        time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{(home / 'up.log').read_text()[-3000:]}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz/live", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
