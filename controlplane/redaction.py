"""Keeps secrets and payloads out of what is written down: log lines, stored answers."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from django.http import HttpRequest

#: An API key, wherever it stands in a text.
KEY = re.compile(r"axme_sa_[A-Za-z0-9_-]+")
KEY_BYTES = re.compile(KEY.pattern.encode())
#: PostgreSQL explains a violated constraint with the whole row, payload included.
ROW = re.compile(r"^.*?(DETAIL|CONTEXT):.*$", re.MULTILINE)

REMOVED = "[removed]"
SECRET_NAMES = frozenset(
    """token secret callback_secret access_token refresh_token account_session_token api_key password
    passphrase authorization x-api-key cookie set-cookie secret_key signing_secret""".split()
)
PAYLOAD_NAMES = frozenset(
    "payload result body value values checkpoint checkpoints message_body intents".split()
)


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: drops payloads and secrets by name, and keys by their look, at any depth."""
    if isinstance(request := event.get("request"), HttpRequest):
        # Django gives its own lines the request, which shows itself with its query.
        event["request"] = f"{request.method} {request.path}"
    for name, value in event.items():
        event[name] = REMOVED if name.lower() in SECRET_NAMES | PAYLOAD_NAMES else _without_keys(value)
    if isinstance(text := event.get("exception"), str):
        event["exception"] = ROW.sub(rf"\1: {REMOVED}", text)
    return event


def without_keys(content: bytes) -> bytes:
    """The same text with what looks like a key taken out: where it came from is no reason to repeat it."""
    return KEY_BYTES.sub(b"axme_sa_[removed]", content) if b"axme_sa_" in content else content


def _without_keys(value: Any) -> Any:
    match value:
        case str():
            return KEY.sub(f"axme_sa_{REMOVED}", value) if "axme_sa_" in value else value
        case bytes():
            return REMOVED
        case dict():
            return {
                name: REMOVED if str(name).lower() in SECRET_NAMES | PAYLOAD_NAMES else _without_keys(inner)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_without_keys(inner) for inner in value]
        case _:
            return value


def without_secrets(value: Any) -> tuple[Any, bool]:
    """The same JSON value with each secret replaced by null, and whether there was one."""
    match value:
        case dict():
            clean: dict[str, Any] = {}
            found = False
            for name, inner in value.items():
                if name in SECRET_NAMES and isinstance(inner, str):
                    clean[name], found = None, True
                else:
                    clean[name], secret = without_secrets(inner)
                    found = found or secret
            return clean, found
        case list():
            pairs = [without_secrets(inner) for inner in value]
            return [inner for inner, _ in pairs], any(secret for _, secret in pairs)
        case str() if KEY.search(value):
            return None, True
        case _:
            return value, False
