"""Scopes at the routes: said at each view, readable from outside."""

from __future__ import annotations

import pytest
from django.http import HttpRequest
from ninja import Router

from agents import access
from agents.api import ROUTERS
from agents.auth import ApiKeyAuth
from agents.models import Scope


def test_every_route_says_who_may_call_it() -> None:
    said = {
        (method, prefix + path): access.required_scopes(operation)
        for prefix, router in ROUTERS
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }

    admin, reader, anybody = frozenset({"admin"}), frozenset({"intents:read", "agent"}), frozenset[str]()
    operator = frozenset({"intents:operate"})
    assert said == {
        ("POST", "/service-accounts"): admin,
        ("GET", "/service-accounts"): anybody,
        ("GET", "/service-accounts/{service_account_id}"): anybody,
        ("PATCH", "/service-accounts/{service_account_id}"): admin,
        ("DELETE", "/service-accounts/{service_account_id}"): admin,
        ("POST", "/service-accounts/{service_account_id}/keys"): admin,
        ("GET", "/service-accounts/{service_account_id}/keys"): admin,
        ("POST", "/service-accounts/{service_account_id}/keys/{key_id}/revoke"): admin,
        ("GET", "/agents"): reader,
        ("GET", "/agents/{path:address}"): reader,
        ("GET", "/me"): anybody,
        ("GET", "/portal/personal/context"): anybody,
        ("POST", "/mesh/heartbeat"): frozenset({"agent"}),
        ("GET", "/mesh/agents"): reader,
        ("GET", "/mesh/agents/{path:address}"): reader,
        ("POST", "/mesh/agents/{path:address}/kill"): operator,
        ("POST", "/mesh/agents/{path:address}/resume"): operator,
        ("GET", "/mesh/agents/{path:address}/policies/cost"): reader,
        ("PUT", "/mesh/agents/{path:address}/policies/cost"): operator,
        ("GET", "/mesh/agents/{path:address}/policies/action"): reader,
        ("PUT", "/mesh/agents/{path:address}/policies/action"): operator,
        ("GET", "/mesh/events"): reader,
    }


def test_what_is_said_is_what_is_enforced() -> None:
    router = Router()

    @router.get("/x")
    @access.requires(Scope.OPERATE)
    async def view(request: HttpRequest) -> None: ...

    [operation] = router.path_operations["/x"].operations
    [auth] = operation.auth_callbacks
    assert isinstance(auth, ApiKeyAuth)
    assert auth.scopes == access.required_scopes(operation) == frozenset({"intents:operate"})


def test_a_route_that_says_nothing_is_a_mistake_and_a_public_one_is_not() -> None:
    router = Router()

    @router.get("/silent")
    async def silent(request: HttpRequest) -> None: ...

    @router.get("/open", auth=None)
    @access.public
    async def open_to_all(request: HttpRequest) -> None: ...

    [silent_operation] = router.path_operations["/silent"].operations
    [open_operation] = router.path_operations["/open"].operations
    assert access.required_scopes(open_operation) is None
    with pytest.raises(LookupError):
        access.required_scopes(silent_operation)


def test_a_scope_that_does_not_exist_is_noticed_at_once() -> None:
    with pytest.raises(ValueError, match="intents:raed"):
        access.requires("intents:raed")
