"""One line for each request that failed or was slow; the others only at debug level."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from controlplane import facts

log = logging.getLogger("perdure.access")

SLOW_SECONDS = 1.0


def add_facts(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: says which request a line belongs to."""
    if (known := facts.current.get()) is not None:
        event.setdefault("request_id", known.request_id)
        event.setdefault("trace_id", known.trace_id)
        if known.key_id is not None:
            event.setdefault("key_id", known.key_id)
        if known.route is not None:
            event.setdefault("route", known.route)
    return event


def log_access(known: facts.Facts, status: int, *, is_stream: bool = False) -> None:
    """Log the request if it failed, was slow, or somebody wants to see all. Streams are long by nature."""
    seconds = perf_counter() - known.started
    noteworthy = status >= 400 or (seconds >= SLOW_SECONDS and not is_stream)
    level = logging.INFO if noteworthy else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s %s %d",
            known.method,
            known.path,
            status,
            extra={"status": status, "duration_ms": round(seconds * 1000, 1)},
        )
