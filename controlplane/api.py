"""The HTTP API under /v1/: one ninja object, the routers of both apps, one answer to every error."""

from __future__ import annotations

from typing import Any

import ninja.errors
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Router

import agents.api
import intents.api
from agents.access import public
from agents.auth import ApiKeyAuth
from controlplane.envelope import answer_to, envelope
from controlplane.payloads import OrjsonRenderer, StrictParser, dump


def make_api(namespace: str) -> NinjaAPI:
    """An API that reads strictly, asks for a key, and answers errors in the envelope."""
    made = NinjaAPI(
        title="Perdure",
        version="1",
        description="Durable execution for AI agents: an intent outlives crashes until it has an outcome.",
        urls_namespace=namespace,
        docs_url=None,
        openapi_url=None,  # ninja's view is synchronous and renders anew each time; `openapi` below does neither
        parser=StrictParser(),
        renderer=OrjsonRenderer(),
        auth=ApiKeyAuth(),
    )
    for kind in (Exception, Http404, ninja.errors.HttpError, ninja.errors.ValidationError):
        made.add_exception_handler(kind, _answer)
    return made


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    if isinstance(error, ninja.errors.AuthenticationError):
        return envelope(401, "an API key is required")
    return answer_to(error)


api = make_api("v1")

#: (prefix, router), in the order in which their paths are tried: the agents' last, one of theirs takes any path.
ROUTERS: tuple[tuple[str, Router], ...] = (*intents.api.ROUTERS, *agents.api.ROUTERS)

for _prefix, _router in ROUTERS:
    api.add_router(_prefix, _router)

_schema: list[bytes] = []


@api.get("/openapi.json", auth=None, include_in_schema=False, url_name="openapi")
@public
async def openapi(request: HttpRequest) -> HttpResponse:
    """The description of this API. Made once: it does not change while the process lives."""
    if not _schema:
        _schema.append(dump(api.get_openapi_schema(path_prefix="/v1/")))
    response = HttpResponse(_schema[0], content_type="application/json")
    response["Cache-Control"] = "public, max-age=300"
    return response
