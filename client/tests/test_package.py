"""What `import perdure` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from types import FunctionType

import perdure


def run(code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.strip()


def test_every_public_name_is_there() -> None:
    assert [name for name in perdure.__all__ if getattr(perdure, name, None) is None] == []
    assert set(perdure.__all__) <= set(dir(perdure))
    assert not hasattr(perdure, "frobnicate")


def test_importing_the_package_or_asking_the_command_line_for_help_loads_no_http_client() -> None:
    loaded = "import sys; print([each for each in ('httpx', 'websockets', 'asyncio') if each in sys.modules])"
    assert run(f"import perdure; {loaded}") == "[]"
    assert run(f"from perdure.cli.app import run; run(['--version']); {loaded}").endswith("[]")


def test_steps_is_the_function_in_whatever_order_things_are_imported() -> None:
    assert isinstance(perdure.steps, FunctionType)
    for before in (
        "import perdure.steps",
        "import perdure.over_http",
        "from perdure.steps import Steps",
        "pass",
    ):
        assert run(f"{before}; from perdure import steps; print(type(steps).__name__)") == "function"
