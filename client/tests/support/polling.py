"""Waiting for what is to come: looked at again and again, never slept for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], deadline: float = 30.0, what: str = "") -> T:
    """What the predicate says as soon as that is true; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (answer := predicate()):
        assert time.monotonic() < end, f"not within {deadline} s: {what or predicate}"
        time.sleep(0.02)
    return answer
