"""Skips an adapter's tests where its framework is not installed: the frameworks do not agree on one environment."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

#: folder -> the module without which its tests make no sense
FRAMEWORKS = {
    "autogen": "autogen_agentchat",
    "crewai": "crewai",
    "langgraph": "langgraph",
    "openai_agents": "agents",
    "swarm": "swarm",
}


class Missing(pytest.Dir):
    """A folder of tests that cannot run here, and says so."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        framework = FRAMEWORKS[self.path.name]
        pytest.skip(f"{framework} is not installed: pip install -r {self.path.name}/requirements.txt")


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Look into a folder only where its framework is."""
    if (
        path.parent == Path(__file__).parent
        and path.name in FRAMEWORKS
        and not find_spec(FRAMEWORKS[path.name])
    ):
        directory: pytest.Collector = Missing.from_parent(parent, path=path)
        return directory
    return None
