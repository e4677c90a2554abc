"""The HTTP API under /v1/: one ninja object, the routers of both apps, one answer to every error."""

from __future__ import annotations

from typing import Any

import ninja.errors
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Router

from agents.auth import ApiKeyAuth
from controlplane.envelope import answer_to, envelope
from controlplane.payloads import OrjsonRenderer, StrictParser, dump

api = NinjaAPI(
    title="Perdure",
    version="1",
    description="Durable execution for AI agents: an intent outlives crashes until it has an outcome.",
    urls_namespace="v1",
    docs_url=None,
    openapi_url=None,  # ninja's view is synchronous and renders anew each time; `openapi` below does neither
    parser=StrictParser(),
    renderer=OrjsonRenderer(),
    auth=ApiKeyAuth(),
)


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, ninja.errors.AuthenticationError):
        return envelope(401, "an API key is required", code="missing_platform_api_key")
    return answer_to(error)


for _kind in (Exception, Http404, ninja.errors.HttpError, ninja.errors.ValidationError):
    api.add_exception_handler(_kind, _answer)

#: (prefix, router), in the order in which their paths are tried.
ROUTERS: tuple[tuple[str, Router], ...] = ()

for _prefix, _router in ROUTERS:
    api.add_router(_prefix, _router)

_schema: list[bytes] = []


@api.get("/openapi.json", auth=None, include_in_schema=False, url_name="openapi")
async def openapi(request: HttpRequest) -> HttpResponse:
    """The description of this API. Made once: it does not change while the process lives."""
    if not _schema:
        _schema.append(dump(api.get_openapi_schema(path_prefix="/v1/")))
    response = HttpResponse(_schema[0], content_type="application/json")
    response["Cache-Control"] = "public, max-age=300"
    return response
