"""The log says which request a line is about, and never what was in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import RequestFactory

from controlplane import facts
from controlplane.access_log import log_access
from tests.controlplane.conftest import Edge

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is written from here on, in the format that the settings choose."""
    stream = io.StringIO()
    wanted = dict(settings.LOGGING["formatters"]["json"])
    formatter = wanted.pop("()")(**wanted)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_line_names_its_request_but_no_payload_and_no_key(lines: Lines) -> None:
    token = facts.current.set(facts.Facts("POST", "/v1/x", "trace-7"))
    structlog.get_logger("test").warning(
        "refused axme_sa_sa_1_secret", payload={"a": 1}, headers={"authorization": "Bearer x"}, raw=b"bytes"
    )
    facts.current.reset(token)

    [line] = lines()
    assert line["trace_id"] == "trace-7"
    assert line["request_id"]
    assert "secret" not in json.dumps(line)
    assert (line["payload"], line["headers"]["authorization"], line["raw"]) == ("[removed]",) * 3


def test_the_row_that_postgresql_quotes_is_left_out_of_a_traceback(lines: Lines) -> None:
    try:
        raise ValueError("violates a constraint\nDETAIL:  Failing row contains (my payload).")
    except ValueError:
        logging.getLogger("test").exception("failed for %s", "axme_sa_a_b")

    [line] = lines()
    assert "violates a constraint" in line["exception"]
    assert "my payload" not in line["exception"]
    assert "axme_sa_a_b" not in line["event"]


def test_a_line_of_djangos_own_names_its_request_without_the_query(lines: Lines) -> None:
    request = RequestFactory().get("/nonsense/", {"token": "hush"})

    logging.getLogger("django.request").warning("Not Found: %s", request.path, extra={"request": request})

    [line] = lines()
    assert line["request"] == "GET /nonsense/"
    assert "hush" not in json.dumps(line)


async def test_failed_and_slow_requests_are_logged_and_quick_ones_not(edge: Edge, lines: Lines) -> None:
    await edge.ask("POST", "/v1/bodiless")
    assert lines() == []

    await edge.ask("GET", "/v1/error/taken")
    slow = facts.Facts("GET", "/v1/slow", started=-1e9)
    log_access(slow, 200, is_stream=True)
    log_access(slow, 200)

    failed, late = lines()
    assert (failed["status"], failed["route"]) == (409, "/v1/error/<kind>")
    assert (late["status"], late["event"]) == (200, "GET /v1/slow 200")
