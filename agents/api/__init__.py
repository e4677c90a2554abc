"""The HTTP API of the agents app. `ROUTERS` are mounted under /v1, behind those whose paths are more specific."""

from __future__ import annotations

from ninja import Router

from agents.api import agents, identity, keys, mesh, service_accounts

#: (prefix, router), in the order in which their paths are tried. `agents.router` ends in a path of any length.
ROUTERS: tuple[tuple[str, Router], ...] = (
    ("/service-accounts", keys.router),
    ("/service-accounts", service_accounts.router),
    ("/mesh", mesh.router),
    ("", identity.router),
    ("/agents", agents.router),
)
