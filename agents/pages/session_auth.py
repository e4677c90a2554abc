"""Who is at the other end of a live fragment: the dashboard's session, at an edge that has none of its middleware."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from agents.errors import NotFound, Unauthenticated
from agents.pages import shell
from agents.pages.shell import Place
from agents.postgres import in_thread


async def place_of(request: HttpRequest, organization: str, workspace: str) -> Place:
    """Return the person's place in that workspace, as it is now. Streams ask again every few seconds.

    Raises:
        Unauthenticated: there is no session, or it has ended.
        NotFound: there is no such workspace, at least not for this person.
        DatabaseUnavailable: nobody can tell at the moment.
    """
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return await in_thread(_place_of, session_key, organization, workspace)


def _place_of(session_key: str, organization: str, workspace: str) -> Place:
    user = _user_of(session_key)
    if user is None:
        raise Unauthenticated("log in first", code="not_logged_in")
    place = shell.place_of(user, organization, workspace)
    if place is None:
        raise NotFound
    return place


def _user_of(session_key: str) -> User | None:
    """Whom the session belongs to, if it is alive, the person active, and the password still the same."""
    if not session_key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    is_current = constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    return user if is_current else None
