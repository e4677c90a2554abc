"""Bad input, in one list: what no client should send, and somebody will.

In paths and bodies `{intent}`, `{name}`, `{account}` and `{key}` stand for an intent, an agent's name, its service
account and its key that exist. Every case has to be refused, and to change nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.controlplane.bad_addresses import BAD_ADDRESSES
from tests.controlplane.bad_fields import BAD_FIELDS, BAD_INTENTS, INTENT
from tests.controlplane.bad_json import NOT_JSON_OBJECTS, OTHER_JSON, ROUTES_WITH_BODY


@dataclass(frozen=True)
class Case:
    """A request that is to be refused."""

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: whether the operator's key is sent
    has_key: bool = True


#: header fields sent with a good submission
BAD_HEADERS: tuple[dict[str, str], ...] = (
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "x" * 256},
    {"Idempotency-Key": "ключ"},
    {"Idempotency-Key": "a\tb"},
    {"Content-Length": str(10**12)},
    {"x-api-key": "nonsense"},
    {"x-api-key": "axme_sa_sa_1_" + "0" * 72},
    {"x-api-key": "axme_sa_" + "x" * 5000},
    {"x-api-key": "é" * 40},
    {"x-api-key": "{secret}x"},
    {"x-api-key": "", "Authorization": "Bearer"},
    {"x-api-key": "", "Authorization": "Bearer "},
    {"x-api-key": "", "Authorization": "Basic YTpi"},
    {"x-api-key": "", "Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"x-api-key": "", "Authorization": "Bearer axme_sa_nonsense"},
    {"x-api-key": "", "Authorization": "{secret}"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"x-api-key": ""},
)


def cases() -> list[Case]:
    """All bad requests."""
    found = [
        Case(f"{name} → {method} {path}", method, path, body)
        for method, path in ROUTES_WITH_BODY
        for name, body in (NOT_JSON_OBJECTS | OTHER_JSON).items()
    ]
    found += [
        Case(f"{name} → resume", "POST", "/v1/intents/{intent}/resume", body)
        for name, body in NOT_JSON_OBJECTS.items()
    ]
    for patch in BAD_INTENTS:
        intent = {name: value for name, value in {**INTENT, **patch}.items() if value is not ...}
        found.append(Case(f"intent with {_short(patch)}", "POST", "/v1/intents", json.dumps(intent).encode()))
    for method, path, fields in BAD_FIELDS:
        headers = {"x-owner-agent": "b"} if "owner_agent" in path else {}
        found.append(
            Case(f"{method} {path} {_short(fields)}", method, path, json.dumps(fields).encode(), headers)
        )
    found += [Case(f"{method} {path[:80]}", method, path) for method, path in BAD_ADDRESSES]
    good = json.dumps(INTENT).encode()
    found += [Case(f"headers {_short(each)}", "POST", "/v1/intents", good, each) for each in BAD_HEADERS]
    found.append(Case("no key", "POST", "/v1/intents", good, has_key=False))
    return found


def _short(value: Any) -> str:
    return json.dumps(value, default=lambda _: "missing", ensure_ascii=True)[:60]
