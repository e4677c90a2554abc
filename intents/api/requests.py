"""What all routes about intents share: the request with its caller, holds, and answers that are JSON already."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja.operation import AsyncOperation, Operation
from ninja.utils import contribute_operation_callback

from agents.caller import Caller
from agents.errors import BadRequest, Invalid
from intents.realtime.sessions import lease_of, session_of
from intents.records import Hold

#: For OpenAPI; the views read the header themselves.
IDEMPOTENCY_KEY = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "Repeating the request under the same key returns the first answer.",
        }
    ]
}
KEY_LENGTH = 255

View = TypeVar("View", bound=Callable[..., Awaitable[HttpResponse]])


class PlainOperation(AsyncOperation):
    """A route that goes from the key to the view and back, without ninja's passage through models."""

    async def run(self, request: HttpRequest, **parameters: Any) -> HttpResponseBase:  # type: ignore[override]
        try:
            [auth] = self.auth_callbacks
            request.auth = await auth(request)  # type: ignore[attr-defined]
            if "intent_id" in parameters:
                parameters["intent_id"] = _uuid(parameters["intent_id"])
            response: HttpResponseBase = await self.view_func(request, **parameters)
        except Exception as error:  # noqa: BLE001  answered as ninja would have it answered
            return self.api.on_exception(request, error)
        return response


def plain(view: View) -> View:
    """Serve this route as a `PlainOperation`; goes below `requires`.

    For the two hot ones, whose views read the body themselves and answer with a response. OpenAPI knows them as any
    other; of their parameters they may have `intent_id` alone.
    """

    def shorten(operation: Operation) -> None:
        # Ninja copies operations when it mounts them: the class goes along, an attribute would not.
        operation.__class__ = PlainOperation

    contribute_operation_callback(view, shorten)
    return view


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        problem = {
            "loc": ["path", "intent_id"],
            "msg": "Input should be a valid UUID",
            "type": "uuid_parsing",
        }
        raise Invalid("intent_id: Input should be a valid UUID", details={"errors": [problem]}) from None


class AgentRequest(HttpRequest):
    """A request whose sender is known."""

    auth: Caller


def answer(body: dict[str, Any]) -> HttpResponse:
    """The body as it is. The schemas of the routes describe it, the tests check that; nothing takes it apart again."""
    return HttpResponse(
        orjson.dumps(body, option=orjson.OPT_UTC_Z), content_type="application/json; charset=utf-8"
    )


def hold_of(
    request: AgentRequest, intent_id: UUID, *, as_agent: bool, has_session: bool | None = None
) -> Hold:
    """What this request writes under: as the agent that the intent is for, or as somebody above that.

    A lease that is sent counts for whoever sends it. A session counts for the agent, and for an administrator where it
    may be the one who listens for the agent.
    """
    caller = request.auth
    return Hold(
        intent_id,
        caller.organization_id,
        agent_id=caller.agent_id if as_agent else None,
        token=lease_of(request),
        session=session_of(request) if (as_agent if has_session is None else has_session) else None,
        actor=caller.address,
    )


def check_owner(request: HttpRequest) -> None:
    """Refuse a request that names two different owners.

    Raises:
        BadRequest: it does.
    """
    named = {request.GET.get("owner_agent") or "", request.META.get("HTTP_X_OWNER_AGENT") or ""} - {""}
    if len(named) > 1:
        raise BadRequest("owner_agent and x-owner-agent differ", code="owner_mismatch")


def checked_key(key: object) -> str:
    """An idempotency key, if it can be one.

    Raises:
        Invalid: it is not 1 to 255 printable ASCII characters.
    """
    if not (isinstance(key, str) and 0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Invalid(f"an idempotency key is 1 to {KEY_LENGTH} printable ASCII characters")
    return key


def fingerprint(body: Any) -> bytes:
    """What makes two requests the same: the body's meaning, not its spelling."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
