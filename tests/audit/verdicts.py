"""What a gate of the audit comes to: it passes with a sentence, is skipped with a reason, or finds something."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: where the tools are installed that only the audit needs
TOOLS = REPOSITORY / ".venvs" / "audit" / "bin"
#: what a gate leaves to be read
REPORTS = REPOSITORY / "dist" / "audit"


class Found(Exception):
    """A gate has found something; the text says what."""


class Skipped(Exception):
    """A gate could not be tried here; the text says why."""


def run(
    command: Sequence[str | Path], *, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A program's end and what it wrote."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def tracked(*patterns: str) -> list[str]:
    """The files of the repository, as Git knows them."""
    return run(["git", "ls-files", "--", *patterns]).stdout.splitlines()
