"""The commands of docs/operations.md, as an operator would copy them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers import REPOSITORY

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
BLOCKS: list[list[str]] = [
    body.splitlines() for body in re.findall(r"```sh\n(.*?)```", OPERATIONS, re.DOTALL)
]


def block(begin: str) -> list[str]:
    """The lines of the one block whose first begins so."""
    [found] = [lines for lines in BLOCKS if lines[0].startswith(begin)]
    return found


def run(lines: list[str], environment: Mapping[str, str], place: Path) -> None:
    """Have a shell run these lines in this place; the first that fails ends it."""
    script = "\n".join(["set -e", *lines])
    command = ["sh", "-c", script]
    done = subprocess.run(
        command, env=environment, cwd=place, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
