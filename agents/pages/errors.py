"""How refusals and failures look: as pages, or as notices where only a part of a page was asked for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from agents.errors import ApiError

TITLES = {
    400: "That request made no sense",
    403: "Not for you",
    404: "Nothing here",
    405: "That cannot be done here",
    408: "That took too long",
    409: "Too late for that",
    413: "That is too much",
    422: "That does not fit",
    429: "Slow down",
    500: "That went wrong",
    503: "The database is away",
}


def show(request: HttpRequest, status: int, message: str) -> HttpResponse:
    """The page that says so; for htmx, a notice that leaves the rest of the page alone."""
    if request.headers.get("HX-Request") == "true":
        response = render(request, "_notice.html", {"message": message, "level": "error"}, status=status)
        response["HX-Retarget"] = "#notices"
        response["HX-Reswap"] = "beforeend"
        return response
    context = {"status": status, "title": TITLES.get(status, "That did not work"), "message": message}
    return render(request, "error.html", context, status=status)


def refusal(request: HttpRequest, error: ApiError) -> HttpResponse:
    """What the domain said."""
    return show(request, error.status, sentence(error.message))


def sentence(message: str) -> str:
    """The message as a page says it."""
    ending = "" if message.endswith((".", "!", "?")) else "."
    return message[:1].upper() + message[1:] + ending


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show(request, 400, "The request is malformed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show(request, 403, str(exception) or "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return show(request, 404, "There is no such page, or it is not yours to see.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from one of our pages, or from one that is too old."""
    return show(
        request, 403, "This form is too old, or came from elsewhere. Go back, reload, and send it again."
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without context: whatever went wrong may be wrong with that too."""
    if request.headers.get("HX-Request") == "true":
        return show(request, 500, "That went wrong on our side. It has been logged.")
    return HttpResponse(render_to_string("500.html"), status=500)
