"""JSON from outside: what cannot be stored, or could not be read back, is refused before anything happens."""

from __future__ import annotations

from typing import Any

import orjson

from agents.errors import BadRequest, Invalid

#: PostgreSQL and most clients parse recursively; nobody means deeper JSON than this.
NESTING_LIMIT = 64


def parse(text: bytes) -> Any:
    """The JSON value in this text.

    orjson itself refuses NaN, infinities, lone surrogates and text that is not UTF-8.

    Raises:
        BadRequest: it is not JSON.
        Invalid: it is JSON, but nested too deeply, or holds U+0000.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    # Both scans are byte searches in C; the walk is for the few documents that could be wrong.
    if b"\\u0000" in text or text.count(b"[") + text.count(b"{") > NESTING_LIMIT:
        inspect(value)
    return value


def inspect(value: Any) -> None:
    """Refuse what is nested too deeply or holds U+0000, in keys as in values.

    Raises:
        Invalid: it does.
    """
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
