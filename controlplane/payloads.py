"""JSON in and out: strict towards what comes in, RFC 3339 and UUIDs in what goes out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from django.http import HttpRequest
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic import BaseModel

from agents.errors import BadRequest, Invalid

#: PostgreSQL and most clients parse recursively; nobody means deeper JSON than this.
NESTING_LIMIT = 64
OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body.

    orjson itself refuses NaN, infinities, lone surrogates and text that is not UTF-8.

    Raises:
        BadRequest: it is not JSON.
        Invalid: it is JSON, but not an object, nested too deeply, or holds U+0000.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    # Both scans are byte searches in C; the walk is for the few bodies that could be wrong.
    if b"\\u0000" in body or body.count(b"[") + body.count(b"{") > NESTING_LIMIT:
        inspect(value)
    return value


def inspect(value: Any) -> None:
    """Refuse what is nested too deeply or holds U+0000, in keys as in values."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                if "\x00" in item:
                    raise Invalid("the body contains the character U+0000, which cannot be stored")
            elif isinstance(item, dict | list):
                if depth == NESTING_LIMIT:
                    raise Invalid(f"the body is nested deeper than {NESTING_LIMIT} levels")
                inner.extend(item)
                if isinstance(item, dict):
                    inner.extend(item.values())
        level, depth = inner, depth + 1


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
