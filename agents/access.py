"""Which scope a route of the HTTP API asks for: said at the view, kept in one place, enforced before the view runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ninja.operation import Operation
from ninja.utils import contribute_operation_callback

from agents.auth import ApiKeyAuth
from agents.models import Scope

View = TypeVar("View", bound=Callable[..., Any])


def requires(*scopes: str, while_killed: bool = False) -> Callable[[View], View]:
    """Let only callers in whose key has any of these scopes (or `admin`). Goes below the route's decorator.

    Without scopes, any valid key will do. What was asked for stays readable as `view.required_scopes`. A route that
    changes something is closed to killed agents, unless it is there for them as well.
    """
    if unknown := set(scopes) - set(Scope):
        raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
    auth = ApiKeyAuth(*scopes, while_killed=while_killed)

    def guard(operation: Operation) -> None:
        # Before parameters are read: who may not enter need not know what the room looks like.
        operation.auth_param = auth
        operation.auth_callbacks = [auth]

    def mark(view: View) -> View:
        view.required_scopes = frozenset(scopes)  # type: ignore[attr-defined]
        if (operation := getattr(view, "_ninja_operation", None)) is not None:
            guard(operation)
        else:
            contribute_operation_callback(view, guard)
        return view

    return mark


def public(view: View) -> View:
    """Let everybody in. Said out loud, so that a route without any mark is a mistake."""
    view.required_scopes = None  # type: ignore[attr-defined]
    return view


def required_scopes(operation: Operation) -> frozenset[str] | None:
    """Return what a route asks for, None if nothing.

    Raises:
        LookupError: nobody has said.
    """
    try:
        scopes: frozenset[str] | None = operation.view_func.required_scopes  # type: ignore[attr-defined]
    except AttributeError:
        raise LookupError(f"{operation.path} says nothing about who may call it") from None
    return scopes
