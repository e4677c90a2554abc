"""Intents and events as the wire has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import orjson
import pytest

from intents import wire

AT = datetime(2026, 1, 31, 14, 2, 11, 500, tzinfo=timezone(timedelta(hours=2)))


def event(kind: str, status: str, details: Any) -> dict[str, Any]:
    return {
        "intent_id": uuid4(),
        "seq": 4,
        "type": kind,
        "status": status,
        "actor": "system",
        "at": AT,
        "details": orjson.dumps(details).decode(),
    }


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """The body after its way over the wire."""
    received: dict[str, Any] = orjson.loads(orjson.dumps(body))
    return received


def test_times_are_in_utc_and_end_in_z() -> None:
    assert wire.timestamp(AT) == "2026-01-31T12:02:11.000500Z"
    assert wire.timestamp(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "details", "beside"),
    [
        ("completed", {"result": {"n": 1}}, {"result": {"n": 1}, "data": {"n": 1}}),
        ("completed", {"result": [1]}, {"result": [1], "data": {"result": [1]}}),
        ("completed", {}, {"data": {}}),
        ("failed", {"error": {"code": "x"}}, {"error": {"code": "x"}, "data": {"error": {"code": "x"}}}),
        ("canceled", {"reason": "late"}, {"reason": "late", "data": {"reason": "late"}}),
    ],
)
def test_a_terminal_event_repeats_what_came_of_it(kind: str, details: Any, beside: dict[str, Any]) -> None:
    body = sent(wire.event_body(event(f"intent.{kind}", kind.upper(), details)))

    assert body["details"] == details
    assert {name: body[name] for name in ("result", "error", "reason", "data") if name in body} == beside


def test_an_event_says_beside_its_details_what_clients_look_for_there() -> None:
    details = {"waiting_reason": "WAITING_FOR_HUMAN", "pending_with": {"type": "human"}, "x": 1}

    body = sent(wire.event_body(event("intent.waiting", "WAITING", details)))

    assert body["waiting_reason"] == "WAITING_FOR_HUMAN"
    assert body["pending_with"] == {"type": "human"}
    assert "x" not in body


@pytest.mark.parametrize("size", [0, 10, 12_000, 40_000, 500_000])
def test_an_event_in_a_stream_fits_a_line_buffer(size: int) -> None:
    row = event("intent.completed", "COMPLETED", {"result": {"text": "x" * size}})

    streamed, listed = wire.event_body(row), wire.event_body(row, largest=None)

    assert len(orjson.dumps(streamed)) < 34_000
    assert streamed["status"] == "COMPLETED"
    assert sent(listed)["result"] == {"text": "x" * size}
    assert (streamed["details"] == {"omitted": True, "size": len(row["details"])}) == (size >= 40_000)
