"""Opaque values and the names they are kept under: what may be stored, and how a value looks inside JSON.

Nothing here interprets a value. Whether its bytes are JSON is asked for one reason: only then may they stand in an
answer as they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from agents import documents
from agents.errors import ApiError, Invalid, PayloadTooLarge

BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"

#: Control characters, halves of surrogates, and what decoders put where bytes were no UTF-8.
_UNNAMEABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
#: Proxies and clients rewrite paths that have such a segment.
_REWRITTEN = frozenset({"", ".", ".."})
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_CONTENT_TYPE = re.compile(
    rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"))*'
)
_LONGEST_CONTENT_TYPE = 255


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes, and what their owner says they are."""

    content_type: str
    bytes: bytes


def checked_name(name: str, what: str, *, longest: int, largest: int = 0, has_slashes: bool = True) -> str:
    """The name, if it can be one.

    Raises:
        Invalid: it is empty, too long (in characters, or in bytes), or would not survive in a path.
    """
    if not name:
        raise Invalid(f"a {what} is not empty")
    if len(name) > longest or (largest and len(name.encode(errors="replace")) > largest):
        limit = f" and {largest} bytes" if largest else ""
        raise Invalid(f"a {what} has at most {longest} characters{limit}")
    if _UNNAMEABLE.search(name):
        raise Invalid(f"a {what} has no control characters, and is valid UTF-8")
    if not has_slashes and "/" in name:
        raise Invalid(f"a {what} has no slashes")
    if not _REWRITTEN.isdisjoint(name.split("/")):
        raise Invalid(f"a {what} has no segments that are empty, '.' or '..'")
    return name


def checked_part(text: str, *, longest: int) -> str:
    """The text, if a name could have it in it, also at its beginning.

    Raises:
        Invalid: it could not.
    """
    if len(text) > longest or _UNNAMEABLE.search(text):
        raise Invalid(
            f"prefix, start and after have at most {longest} characters, without control characters, in valid UTF-8"
        )
    return text


def checked_content_type(text: str) -> str:
    """The content type, if it is one.

    Raises:
        Invalid: it is not.
    """
    if len(text) > _LONGEST_CONTENT_TYPE or not text.isascii() or not _CONTENT_TYPE.fullmatch(text):
        raise Invalid(
            "a content type is type/subtype with optional parameters, of at most"
            f" {_LONGEST_CONTENT_TYPE} ASCII characters"
        )
    return text


def is_json(content_type: str) -> bool:
    """Whether this is a type for JSON."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == JSON or essence.endswith("+json")


def in_json(value: Value) -> dict[str, Any]:
    """The value as a field of an answer: JSON as it is, all else in base64."""
    if is_json(value.content_type):
        try:
            documents.parse(value.bytes)
        except ApiError:
            pass
        else:
            # Raw line breaks are nothing but white space in JSON, and the end of a line in an event stream.
            return {"value": orjson.Fragment(value.bytes.replace(b"\n", b" ").replace(b"\r", b" "))}
    return {"value_base64": base64.b64encode(value.bytes).decode()}


def from_json(fields: dict[str, Any], *, largest: int) -> Value:
    """The value that a request carries in JSON, in `value` or `value_base64`.

    Raises:
        Invalid: it has neither or both, or a content type that does not fit.
        PayloadTooLarge: it is larger than `largest`.
    """
    content_type = fields.get("content_type")
    if content_type is not None and not isinstance(content_type, str):
        raise Invalid("content_type is a string")
    if ("value" in fields) == ("value_base64" in fields):
        raise Invalid("give value or value_base64, not both")
    if "value" in fields:
        content_type = checked_content_type(content_type or JSON)
        if not is_json(content_type):
            raise Invalid("value is for JSON; give what is of another type as value_base64")
        return checked_size(Value(content_type, orjson.dumps(fields["value"])), largest)
    text = fields["value_base64"]
    if not isinstance(text, str):
        raise Invalid("value_base64 is a string")
    try:
        content = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Invalid("value_base64 is not base64") from None
    return checked_size(Value(checked_content_type(content_type or BYTES), content), largest)


def checked_size(value: Value, largest: int) -> Value:
    """The value, if it is small enough.

    Raises:
        PayloadTooLarge: it is not.
    """
    if len(value.bytes) > largest:
        raise beyond("value", largest)
    return value


def beyond(limit_of: str, limit: int) -> PayloadTooLarge:
    """The refusal of what would be more than one of the limits."""
    return PayloadTooLarge(_BEYOND[limit_of].format(limit), details={"limit_of": limit_of, "limit": limit})


_BEYOND = {
    "value": "a value has at most {} bytes",
    "steps": "an intent has at most {} checkpoints",
    "bytes": "the values together have at most {} bytes",
    "items": "a thread has at most {} items",
    "entries": "a thread has at most {} entries",
}
