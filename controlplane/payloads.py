"""JSON in and out: strict towards what comes in, RFC 3339 and UUIDs in what goes out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic import BaseModel

from agents import documents
from agents.errors import Invalid

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        BadRequest: it is not JSON.
        Invalid: it is JSON, but not an object, nested too deeply, or holds U+0000.
    """
    value = documents.parse(body)
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    return value


def dump(value: Any) -> bytes:
    """JSON bytes; datetimes end in Z."""
    return orjson.dumps(value, default=_plain, option=OPTIONS)


def _plain(value: Any) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case set() | frozenset():
            return sorted(value)
        case bytes():
            raise TypeError("bytes have no JSON form")
        case _:
            return str(value)


class StrictParser(Parser):
    """Reads request bodies for ninja."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return parse(request.body)


class OrjsonRenderer(BaseRenderer):
    """Writes response bodies for ninja."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return dump(data)
