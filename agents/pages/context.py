"""What the frame around every page shows: where one is, where one can go, and in which colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import get_script_prefix

from agents.models import Role
from agents.pages.shell import Place
from agents.pages.theme import theme_of


@dataclass(frozen=True)
class Link:
    """A place to go to."""

    label: str
    url: str
    is_here: bool
    #: the key that goes there, after `g`
    key: str


#: label, path below the workspace, key after `g`, the role that it is shown to
LINKS: tuple[tuple[str, str, str, Role], ...] = (
    ("Overview", "", "o", Role.VIEWER),
    ("Intents", "intents/", "i", Role.VIEWER),
    ("Agents", "agents/", "a", Role.VIEWER),
    ("Dead letters", "dead-letters/", "d", Role.VIEWER),
    ("Keys", "keys/", "k", Role.VIEWER),
    ("Audit", "audit/", "l", Role.OPERATOR),
    ("Settings", "settings/", "s", Role.ADMIN),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The variables of `base.html`. Asks the database nothing: an error page can have them too."""
    place: Place | None = getattr(request, "place", None)
    return {
        "place": place,
        "nav": _links(request, place) if place else [],
        "workspaces": place.workspaces if place else (),
        "theme": theme_of(request),
    }


def _links(request: HttpRequest, place: Place) -> list[Link]:
    root = f"{get_script_prefix()}o/{place.organization.slug}/{place.workspace.slug}/"
    return [
        Link(label, root + path, _is_at(request.path, root, path), key)
        for label, path, key, role in LINKS
        if place.allows(role)
    ]


def _is_at(here: str, root: str, path: str) -> bool:
    return here.startswith(root + path) if path else here == root
