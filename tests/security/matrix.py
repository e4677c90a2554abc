"""Who may go where, as a table for docs/security.md: out of the URL configuration as it is, not as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.urls import get_resolver

from agents.access import required_scopes
from agents.models import Role, Scope
from agents.pages.shell import PLACE
from bench.table import replaced
from controlplane import access
from controlplane.api import api
from controlplane.routes import flattened

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
MARK = "the matrix"
#: `admin` may all that any other scope may
SCOPES = (Scope.SUBMIT, Scope.READ, Scope.AGENT, Scope.OPERATE, Scope.ADMIN)
ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
YES, NO = "●", ""


def matrix() -> str:
    """The tables."""
    parts = [
        "### Routes of the API, and the scopes that a key needs: any of those marked",
        _table(["Method", "Route", "no key", *SCOPES], _routes()),
        "### Pages of a workspace, and the roles that members need: for all others they do not exist",
        _table(["Page, below `/o/<organization>/<workspace>/`", *ROLES], _pages(f"/{PLACE}")),
        "### Live parts of those pages",
        _table(["Part, below `/live/o/<organization>/<workspace>/`", *ROLES], _live()),
        "### All else",
        _table(["Address", "Who"], [*_others()]),
    ]
    return "\n\n".join(parts)


def is_current(document: str) -> bool:
    """Whether the page shows what is so."""
    return replaced(document, MARK, matrix()) == document


def write() -> None:
    """Put the tables where they were."""
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), MARK, matrix()))


def _routes() -> Iterator[list[str]]:
    rows = []
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                wanted = required_scopes(operation)
                marks = [
                    YES if wanted is None or not wanted or scope in wanted or scope == Scope.ADMIN else NO
                    for scope in SCOPES
                ]
                rows += [
                    [method, f"`/v1{router.prefix}{path}`", YES if wanted is None else NO, *marks]
                    for method in operation.methods
                ]
    yield from sorted(rows, key=lambda row: (row[1], row[0]))


def _pages(prefix: str) -> Iterator[list[str]]:
    for before, pattern in flattened(get_resolver(), "/"):
        path = before + str(pattern.pattern)
        if path.startswith(prefix):
            role = getattr(pattern.callback, "required_role", None)
            marks = [YES if role is not None and each.includes(role) else NO for each in ROLES]
            yield [f"`{path.removeprefix(prefix) or '(overview)'}`", *marks]


def _live() -> Iterator[list[str]]:
    for path, role in access.LIVE.items():
        yield [f"`{path or '(overview)'}`", *[YES if each.includes(role) else NO for each in ROLES]]


def _others() -> Iterator[list[str]]:
    for path, who in {**access.EDGE, **access.PAGES}.items():
        yield [f"`{path}`", who]
    for path in access.SOCKETS:
        yield [
            f"`{path}`",
            "any key, and each frame asks for its own scope; browsers only from our own pages",
        ]


def _table(head: list[str], rows: Iterator[list[str]] | list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
