"""How a client without frames of its own says which hold it writes under.

A client that knows leases sends the token it was given (`X-Perdure-Lease`). One that does not, as the SDKs, is given a
session cookie with its stream: its process sends it back with every later call, so that a process that was replaced
can be told from the one that replaced it. A cookie is no credential here; it only narrows what a key may do.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from agents.errors import Invalid

COOKIE = "perdure_session"
LEASE_HEADER = "x-perdure-lease"


def session_of(request: HttpRequest) -> UUID | None:
    """The session that this client was given, if it sends one that we can have given."""
    try:
        return UUID(request.COOKIES.get(COOKIE, ""))
    except ValueError:
        return None


def lease_of(request: HttpRequest) -> UUID | None:
    """The lease that this request writes under.

    Raises:
        Invalid: the header is there and is no lease token.
    """
    if not (text := request.headers.get(LEASE_HEADER)):
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{LEASE_HEADER} is not a lease token") from None


def remember(response: HttpResponseBase, session: UUID) -> None:
    """Give the session to the client."""
    response.set_cookie(
        COOKIE, str(session), path=f"{settings.SESSION_COOKIE_PATH}v1/", httponly=True, samesite="Strict"
    )
