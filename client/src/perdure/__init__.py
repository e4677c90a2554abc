"""Perdure's client: submit requests that outlive crashes, and write the agents that finish them.

from perdure import Agent, Client, Delivery, steps
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.client import AsyncClient, Client
    from perdure.delivery import Delivery
    from perdure.errors import (
        AgentKilled,
        AgentNotFound,
        AlreadyExists,
        ApiError,
        BadRequest,
        Canceled,
        Conflict,
        Fatal,
        Forbidden,
        IdempotencyConflict,
        IntentCanceled,
        IntentEnded,
        IntentFailed,
        IntentNotFound,
        IntentTimedOut,
        IntentUnsuccessful,
        Invalid,
        LeaseLost,
        NotConfigured,
        NotFound,
        NotRecoverable,
        PayloadTooLarge,
        PerdureError,
        RateLimited,
        ServerError,
        StepRepeated,
        Unauthenticated,
        Unavailable,
        VersionConflict,
        WaitTimedOut,
    )
    from perdure.over_http import steps
    from perdure.records import Checkpoint, Entry, Event, Intent, Item, Record

__all__ = [
    "Agent",
    "AgentKilled",
    "AgentNotFound",
    "AlreadyExists",
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "Canceled",
    "Checkpoint",
    "Client",
    "Conflict",
    "Delivery",
    "Entry",
    "Event",
    "Fatal",
    "Forbidden",
    "IdempotencyConflict",
    "Intent",
    "IntentCanceled",
    "IntentEnded",
    "IntentFailed",
    "IntentNotFound",
    "IntentTimedOut",
    "IntentUnsuccessful",
    "Invalid",
    "Item",
    "LeaseLost",
    "NotConfigured",
    "NotFound",
    "NotRecoverable",
    "PayloadTooLarge",
    "PerdureError",
    "RateLimited",
    "Record",
    "ServerError",
    "StepRepeated",
    "Unauthenticated",
    "Unavailable",
    "VersionConflict",
    "WaitTimedOut",
    "steps",
]

#: Where a name comes from, if not from `perdure.errors`. Loaded when first asked for: an HTTP client takes half a
#: second, and who asks for help on the command line needs none.
_HOMES = {
    "Agent": "perdure.agent",
    "Delivery": "perdure.delivery",
    **dict.fromkeys(("AsyncClient", "Client"), "perdure.client"),
    **dict.fromkeys(("Checkpoint", "Entry", "Event", "Intent", "Item", "Record"), "perdure.records"),
}


class _Package(ModuleType):
    """This package, whose `steps` is the function, also after the module of that name has been imported."""

    @property
    def steps(self) -> Any:
        from perdure.over_http import steps

        return steps

    @steps.setter
    def steps(self, module: ModuleType) -> None:
        """Importing `perdure.steps` would put the module here."""


if not TYPE_CHECKING:
    sys.modules[__name__].__class__ = _Package

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES.get(name, "perdure.errors")), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
