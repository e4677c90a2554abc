"""The table of who may go where is complete, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from channels.routing import URLRouter
from django.test import Client
from django.urls import get_resolver
from ninja.operation import Operation

from agents.access import required_scopes
from agents.auth import ApiKeyAuth, ApiKeyMiddleware
from agents.pages.shell import PLACE
from controlplane import access, routing
from controlplane.api import api
from controlplane.routes import flattened
from intents.api.requests import PlainOperation

#: what everybody may see of the admin
WELCOME = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/", "/admin/autocomplete/"}


def operations() -> Iterator[tuple[str, Operation]]:
    """Every operation of the API, with the name that the table gives it."""
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield f"{method} /v1{router.prefix}{path}", operation


def test_every_operation_of_the_api_is_listed_and_nothing_else_is() -> None:
    assert {name for name, _ in operations()} == set(access.ROUTES)


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*pair, id=pair[0]) for pair in operations()])
def test_an_operation_asks_for_what_the_table_says(name: str, operation: Operation) -> None:
    wanted = access.ROUTES[name]

    assert required_scopes(operation) == wanted
    if wanted is None:
        assert operation.auth_callbacks == []
    else:
        [guard] = operation.auth_callbacks
        assert isinstance(guard, ApiKeyAuth)
        assert guard.scopes == wanted


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*pair, id=pair[0]) for pair in operations()])
def test_no_operation_blocks_the_event_loop(name: str, operation: Operation) -> None:
    assert operation.is_async


def test_every_other_address_is_listed() -> None:
    paths = {prefix + str(pattern.pattern) for prefix, pattern in flattened(get_resolver(), "/")}
    others = {path for path in paths if not path.startswith("/v1/")}
    sections = tuple(path for path in access.PAGES if path != "/")
    others -= {path for path in others if path.startswith((f"/{PLACE}", f"/live/{PLACE}"))}
    unlisted = {
        path for path in others - set(access.EDGE) - set(access.PAGES) if not path.startswith(sections)
    }

    assert unlisted == set()
    assert set(access.EDGE) <= others


def test_every_live_part_is_listed() -> None:
    paths = {prefix + str(pattern.pattern) for prefix, pattern in flattened(get_resolver(), "/")}
    live = {path.removeprefix(f"/live/{PLACE}") for path in paths if path.startswith("/live/")}

    assert live == set(access.LIVE)


def test_every_socket_is_listed_and_asks_who_is_there() -> None:
    *sockets, last = routing.websocket_urlpatterns

    assert {"/" + str(pattern.pattern).strip("^$") for pattern in sockets} == set(access.SOCKETS)
    assert last.callback is routing.no_such_socket
    assert isinstance(routing.websocket, routing.SameOrigin)
    assert isinstance(routing.websocket.application, ApiKeyMiddleware)
    assert isinstance(routing.websocket.application.app, URLRouter)


def admin_pages() -> list[str]:
    paths = {prefix + str(pattern.pattern) for prefix, pattern in flattened(get_resolver(), "/")}
    return sorted(path for path in paths if path.startswith("/admin/"))


@pytest.mark.django_db
@pytest.mark.parametrize("path", admin_pages())
def test_no_page_of_the_admin_opens_for_a_stranger(client: Client, path: str) -> None:
    answer = client.get(re.sub(r"<[^>]*>|\(.*", "1", path))

    assert answer.status_code in (302, 403, 404) or path in WELCOME
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith(("/admin/", "/login/", "/accounts/"))


def test_every_page_of_a_workspace_is_listed_and_asks_for_what_the_table_says() -> None:
    pages = {
        prefix + str(pattern.pattern): getattr(pattern.callback, "required_role", None)
        for prefix, pattern in flattened(get_resolver(), "/")
    }
    below = {
        path.removeprefix(f"/{PLACE}"): role for path, role in pages.items() if path.startswith(f"/{PLACE}")
    }

    assert below == access.PLACES


def test_the_hot_routes_take_the_short_way_as_they_are_mounted() -> None:
    plain = {name for name, operation in operations() if isinstance(operation, PlainOperation)}

    assert plain == {"POST /v1/intents", "POST /v1/intents/{intent_id}/resume"}
