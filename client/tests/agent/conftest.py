"""Agents that a test may kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure import Client
from support.crew import Crew
from support.server import Server


@pytest.fixture
def crew(server: Server, client: Client, tmp_path: Path) -> Iterator[Crew]:
    """Agents of an address that no other test has."""
    found = Crew(server, client, tmp_path)
    yield found
    found.end()
