"""Scenarios as they run: a parent intent goes through its steps, each a child intent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intents.operations import Row, Steps
from intents.signals import Changes


def steps_ended(ended: Sequence[tuple[Row, dict[str, Any]]], changes: Changes) -> Steps[None]:
    """Move the workflows whose parent or child intents have just ended."""
    raise NotImplementedError
    yield


def timers_due(due: Sequence[Row], changes: Changes) -> Steps[None]:
    """Move the workflows whose waiting is over."""
    raise NotImplementedError
    yield
