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
    """Log the request if it failed, was slow, or somebody wants to see all.

    Streams are long by nature, and their clients leave when they please: 499.
    """
    seconds = perf_counter() - known.started
    is_usual = status == 499 or status < 400 if is_stream else status < 400 and seconds < SLOW_SECONDS
    level = logging.DEBUG if is_usual else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "%s %s %d",
            known.method,
            known.path,
            status,
            extra={"status": status, "duration_ms": round(seconds * 1000, 1)},
        )
