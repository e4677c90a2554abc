"""Pages of the documentation, and the snippets on them."""

from __future__ import annotations

import re
from pathlib import Path

from support.server import REPOSITORY

SNIPPET = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(page: str, language: str) -> list[str]:
    """The snippets in this language, as they stand there."""
    text = (REPOSITORY / page).read_text()
    return [code for kind, code in SNIPPET.findall(text) if kind == language]


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first column is called so."""
    lines = (REPOSITORY / page).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def folder(name: str) -> Path:
    """A folder of the repository."""
    return REPOSITORY / name
