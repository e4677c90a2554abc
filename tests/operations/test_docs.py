"""What docs/operations.md and docs/proxy.md name exists: figures, commands, files, variables, units."""

from __future__ import annotations

import re
from importlib.util import find_spec

import httpx
from django.core.management import get_commands

from tests.operations.nginx import Front
from tests.operations.test_deploy import FOREIGN, KNOWN
from tests.servers import REPOSITORY

DOCS = REPOSITORY / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()
BOTH = OPERATIONS + (DOCS / "proxy.md").read_text()


def test_each_figure_to_watch_is_told_by_a_running_server(front: Front) -> None:
    figures = httpx.get(f"{front.perdure.base_url}/metrics", timeout=60).text
    told = set(re.findall(r"^# TYPE (\w+)", figures, re.MULTILINE))
    named = set(re.findall(r"`(perdure_[a-z_]+)", OPERATIONS))

    assert len(named) >= 8
    assert {name for name in named if name not in told} == set()


def test_who_asks_a_process_itself_whether_it_is_ready_is_told_without_the_name_and_prefix_of_the_proxy(
    front: Front,
) -> None:
    assert "http://127.0.0.1:$port/healthz/ready" in OPERATIONS
    for web in front.perdure.web:
        answer = httpx.get(f"{web.base_url}/healthz/ready", headers={"host": "not.allowed"}, timeout=60)
        assert answer.status_code == 200


def test_each_command_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", BOTH))
    modules = set(re.findall(r"python -m ([\w.]+)", BOTH))

    assert {"migrate", "verify_history", "bootstrap"} <= named
    assert named <= set(get_commands())
    assert modules
    assert all(find_spec(module) for module in modules)


def test_each_variable_is_read_by_the_settings() -> None:
    named = set(re.findall(r"\b((?:PERDURE|SECURE|CSRF|ALLOWED|SECRET|DATABASE|REDIS)_[A-Z_]+)\b", BOTH))

    assert {"PERDURE_PATH_PREFIX", "PERDURE_TRUSTED_PROXIES", "PERDURE_RETENTION_DAYS"} <= named
    assert {name for name in named - KNOWN if not FOREIGN.fullmatch(name)} == set()


def test_each_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", BOTH)
    quoted = re.findall(r"`((?:deploy/|Dockerfile)[\w./@-]*)`", BOTH)

    assert links
    assert quoted
    assert [link for link in links if not (DOCS / link).exists()] == []
    assert [path for path in quoted if not (REPOSITORY / path).exists()] == []
