"""Where the request that is being served came from, for those who note it: the audit log.

One context variable that the edges set. It is read only when something is written down, so that requests which leave
no entry pay for an assignment.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

_headers: ContextVar[Mapping[str, Any] | None] = ContextVar("perdure_origin", default=None)


def note(meta: Mapping[str, Any]) -> None:
    """Remember the request's variables, as WSGI names them, for the rest of this context."""
    _headers.set(meta)


def remote_addr(meta: Mapping[str, Any] | None = None) -> str:
    """The address that the request came from, "" if there is none."""
    return str(_known(meta).get("REMOTE_ADDR") or "")[:64]


def user_agent(meta: Mapping[str, Any] | None = None) -> str:
    """What the client calls itself."""
    known = _known(meta)
    agent = known.get("HTTP_X_AXME_CLIENT") or known.get("HTTP_USER_AGENT") or ""
    return str(agent).replace("\x00", "")[:200]


def _known(meta: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (meta if meta is not None else _headers.get()) or {}
