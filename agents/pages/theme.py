"""Light or dark: by the system's preference, unless somebody chose. A cookie, so that the first paint is right."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from agents.pages.leading import safe_next

COOKIE = "perdure_theme"
THEMES = ("light", "dark")
A_YEAR = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """`light`, `dark`, or "" for what the system prefers."""
    chosen = request.COOKIES.get(COOKIE, "")
    return chosen if chosen in THEMES else ""


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Remember the choice on this device, and go on where it was made."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(safe_next(request))
    if chosen in THEMES:
        # Not HttpOnly: the toggle sets it too, without a round trip. It protects nothing.
        response.set_cookie(
            COOKIE,
            chosen,
            max_age=A_YEAR,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
            path=settings.SESSION_COOKIE_PATH,
        )
    else:
        response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH)
    return response
