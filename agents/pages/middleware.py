"""What holds for every page: what browsers may load in it, how refusals look, and that its reader was here."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from agents import origin, signing_in
from agents.errors import ApiError
from agents.pages.errors import refusal

#: Nothing but our own files; no inline script, no inline style, no eval, no frame around us.
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: The admin's theme writes styles and scripts into its pages, and evaluates expressions.
ADMIN = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

#: Where a request's scope says why it is refused, if its body could not be read: an ApiError.
REFUSED = "perdure.refused"

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class PagesMiddleware:
    """Goes around every view that Django's own handler serves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        origin.note(request.META)
        response = self.get_response(request)
        match = getattr(request, "resolver_match", None)
        is_admin = match is not None and "admin" in match.namespaces
        response.headers.setdefault("Content-Security-Policy", ADMIN if is_admin else STRICT)
        return response

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Remember that the device is in use: a read on every page, a write once a minute. Refuse what was not read."""
        if request.user.is_authenticated and (key := request.session.session_key):
            signing_in.note_presence(key)
        refused: ApiError | None = getattr(request, "scope", {}).get(REFUSED)
        return refusal(request, refused) if refused else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Show what the domain said."""
        return refusal(request, error) if isinstance(error, ApiError) else None
