"""Every error that leaves the HTTP edge, in one shape: `{"error": {code, message, details}, "detail": "…"}`.

The domain raises what it means (`agents.errors`); here and nowhere else it becomes a status and a body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from time import time
from typing import Any

import ninja.errors
import orjson
import psycopg
import pydantic
import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from psycopg_pool import PoolTimeout

from agents.errors import ApiError, RateLimited, Unavailable
from agents.postgres import DatabaseUnavailable
from controlplane.redaction import without_keys

log = structlog.get_logger(__name__)

JSON = "application/json; charset=utf-8"
#: What a status means when nobody gave a better code.
CODES = {
    400: "bad_request",
    401: "missing_platform_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    422: "validation_error",
    429: "rate_limit_exceeded",
    503: "unavailable",
}
OUTAGES = (
    DatabaseUnavailable,
    OperationalError,
    InterfaceError,
    PoolTimeout,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
#: Nobody repairs a request by reading its hundredth mistake.
ERRORS_SHOWN = 20


def envelope(
    status: int,
    message: str,
    *,
    code: str | None = None,
    details: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """An error answer, which repeats no key. `extra` joins the top level of the body, where some clients look."""
    code = code or CODES.get(status, "internal_error" if status >= 500 else "bad_request")
    body = {
        **(extra or {}),
        "error": {"code": code, "message": message, "details": details or {}},
        "detail": message,
    }
    content = without_keys(orjson.dumps(body, default=str))
    return HttpResponse(content, status=status, content_type=JSON)


def answer_to(error: BaseException) -> HttpResponse:
    """The answer an exception amounts to. What nobody foresaw is logged and says nothing about itself."""
    match error:
        case ApiError():
            return refusal(error)
        case ninja.errors.HttpError() if isinstance(error.__cause__, ApiError):
            return answer_to(error.__cause__)  # ninja wraps what the parser raises
        case ninja.errors.HttpError():
            return envelope(error.status_code, error.message)
        case ninja.errors.ValidationError():
            return invalid(error.errors)
        case pydantic.ValidationError() if error.title != "NinjaResponseSchema":
            return invalid(error.errors(include_url=False, include_input=False, include_context=False))
        case Http404():
            return envelope(404, "not found")
        case PermissionDenied():
            return envelope(403, "forbidden")
        case SuspiciousOperation():
            return envelope(400, "the request is malformed")
        case DataError() | psycopg.DataError():
            log.warning("a value was refused by the database", error=type(error).__name__)
            return envelope(422, "a value is out of range or cannot be stored", code="validation_error")
        case _ if isinstance(error, OUTAGES):
            log.warning("the database is away", error=type(error).__name__)
            return refusal(Unavailable())
    log.error("unhandled exception", exc_info=error)
    return envelope(500, "internal error", code="internal_error")


def refusal(error: ApiError) -> HttpResponse:
    """What the domain said, with the headers that some of its refusals need."""
    response = envelope(
        error.status, error.message, code=error.code, details=error.details, extra=error.extra
    )
    if isinstance(error, RateLimited):
        response["Retry-After"] = str(error.retry_after)
        response["X-RateLimit-Limit"] = str(error.details.get("limit", 0))
        response["X-RateLimit-Remaining"] = "0"
        response["X-RateLimit-Reset"] = str(int(time()) + error.retry_after)
    if isinstance(error, Unavailable):
        response["Retry-After"] = "1"
    return response


def invalid(errors: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """A 422 that lists where and why, and never repeats the value: it may be a secret."""
    shown: list[dict[str, Any]] = [
        {
            "loc": list(error.get("loc", ())),
            "msg": str(error.get("msg", "")),
            "type": str(error.get("type", "")),
        }
        for error in islice(errors, ERRORS_SHOWN)
    ]
    lines = (
        f"{_place(error['loc'])}: {error['msg']}" if error["loc"] else error["msg"] for error in shown[:5]
    )
    message = "; ".join(lines) or "the request is invalid"
    return envelope(422, message, code="validation_error", details={"errors": shown})


def _place(location: list[Any]) -> str:
    """`payload.rows.3`: without the parameter's name, which is ours and not the caller's."""
    inner = location[2:] if len(location) > 2 and location[0] == "body" else location[1:]
    return ".".join(str(part) for part in inner or location)
