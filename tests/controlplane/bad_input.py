"""Bad input, in one list: what no client should send, and somebody will.

In paths and bodies `{intent}`, `{name}`, `{account}` and `{key}` stand for an intent, an agent's name, its service
account and its key that exist. Every case has to be refused, and to change nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

DEEP = "[" * 65 + "]" * 65
UNKNOWN = "00000000-0000-7000-8000-000000000000"
OVER_128_KIB = "x" * (128 * 1024)


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


# -- bodies that are no JSON object, for every route that takes one -----------------------------------------------

ROUTES_WITH_BODY = (
    ("POST", "/v1/intents"),
    ("POST", "/v1/intents/batch"),
    ("POST", "/v1/intents/{intent}/resolve"),
    ("POST", "/v1/intents/{intent}/usage"),
    ("POST", "/v1/intents/{intent}/controls"),
    ("POST", "/v1/intents/{intent}/policy"),
    ("POST", "/v1/intents/bulk-cancel"),
    ("POST", "/v1/scenarios/apply"),
    ("POST", "/v1/scenarios/validate"),
    ("POST", "/v1/service-accounts"),
    ("PATCH", "/v1/service-accounts/{account}"),
    ("POST", "/v1/service-accounts/{account}/keys"),
)
NOT_JSON_OBJECTS = {
    "open brace": b"{",
    "two documents": b"{} {}",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "unquoted name": b"{a: 1}",
    "a comment": b"{} // why not",
    "NaN": b'{"payload": NaN}',
    "Infinity": b'{"payload": Infinity}',
    "minus Infinity": b'{"payload": -Infinity}',
    "a lone surrogate": b'{"payload": {"a": "\\ud800"}}',
    "half an escape": b'{"payload": {"a": "\\u00"}}',
    "U+0000 in a value": b'{"payload": {"a": "\\u0000"}}',
    "U+0000 in a name": b'{"\\u0000": 1}',
    "a control character": b'{"a": "\x01"}',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{",
    "too deep a list": f'{{"payload": {DEEP}}}'.encode(),
    "too deep an object": ('{"a":' * 65 + "1" + "}" * 65).encode(),
    "as deep as stacks go": b"[" * 60_000,
    "a number like no other": b'{"a": 1e999999999}',
    "an octal number": b'{"a": 007}',
    "a form": b"intent_type=test&to_agent=x",
    "XML": b'<?xml version="1.0"?><intent/>',
    "zeros": b"\x00" * 100,
    "too large": b'{"payload": {"a": "' + OVER_128_KIB.encode() + b'"}}',
}
#: These are JSON. As the result of an agent they are fine, as a request they are not.
OTHER_JSON = {"null": b"null", "a list": b"[]", "a string": b'"x"', "a number": b"3", "a truth": b"true"}

# -- fields ----------------------------------------------------------------------------------------------------

INTENT: dict[str, Any] = {"intent_type": "test.work.v1", "to_agent": "{name}", "payload": {}}
#: patches to a good intent; `...` takes the field away
BAD_INTENTS: tuple[dict[str, Any], ...] = (
    {"intent_type": ...},
    {"intent_type": None},
    {"intent_type": 3},
    {"intent_type": ""},
    {"intent_type": "work"},
    {"intent_type": "test.work"},
    {"intent_type": "test.work.v"},
    {"intent_type": "Test.work.v1"},
    {"intent_type": "test.work.v1\n"},
    {"intent_type": "test..v1"},
    {"intent_type": "a." * 200 + "v1"},
    {"intent_type": {"a": 1}},
    {"to_agent": ...},
    {"to_agent": None},
    {"to_agent": 3},
    {"to_agent": ["{name}"]},
    {"to_agent": ""},
    {"to_agent": " "},
    {"to_agent": " {name}"},
    {"to_agent": "\t"},
    {"to_agent": "x" * 384},
    {"to_agent": "http://example.com/agent"},
    {"to_agent": "agent://"},
    {"to_agent": "agent:///production/worker"},
    {"to_agent": "agent://a//b"},
    {"to_agent": "agent://a/b/"},
    {"to_agent": "a\nb"},
    {"to_agent": "a\u2028b"},
    {"to_agent": "agent://nobody/production/worker"},
    {"to_agent": "nobody/production/worker"},
    {"payload": None},
    {"payload": []},
    {"payload": "rows"},
    {"payload": 3},
    {"correlation_id": "no"},
    {"correlation_id": 3},
    {"correlation_id": "00000000-0000-7000-8000-00000000000"},
    {"from_agent": 3},
    {"from_agent": "x" * 384},
    {"reply_to": 3},
    {"reply_to": "x"},
    {"reply_to": "agent://nobody/production/worker"},
    {"escalate_to": 3},
    {"escalate_to": "agent://nobody/production/worker"},
    {"deadline_at": "tomorrow"},
    {"deadline_at": "2001-01-01T00:00:00Z"},
    {"deadline_at": "2099-01-01T00:00:00"},
    {"deadline_at": "2099-13-01T00:00:00Z"},
    {"deadline_at": "9999-12-31T23:59:59Z"},
    {"deadline_at": "2099-01-01T00:00:00Z", "ttl_seconds": 60},
    {"deadline_at": {}},
    {"ttl_seconds": 59},
    {"ttl_seconds": 604_801},
    {"ttl_seconds": 0},
    {"ttl_seconds": -60},
    {"ttl_seconds": "60"},
    {"ttl_seconds": 60.5},
    {"ttl_seconds": True},
    {"ttl_seconds": 2**63},
    {"max_delivery_attempts": 0},
    {"max_delivery_attempts": -1},
    {"max_delivery_attempts": 2**31},
    {"max_delivery_attempts": 1.5},
    {"max_delivery_attempts": "3"},
    {"max_delivery_attempts": None},
    {"remind_after_seconds": 0},
    {"remind_after_seconds": 2**31},
    {"remind_interval_seconds": -5},
    {"max_reminders": "many"},
    {"human_task": "sign"},
    {"human_task": {"title": "sign"}},
    {"idempotency_key": ""},
    {"idempotency_key": 3},
    {"idempotency_key": "x" * 256},
    {"idempotency_key": "ключ"},
)

BAD_FIELDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/v1/intents/batch", {}),
    ("POST", "/v1/intents/batch", {"intents": []}),
    ("POST", "/v1/intents/batch", {"intents": {}}),
    ("POST", "/v1/intents/batch", {"intents": "all"}),
    ("POST", "/v1/intents/batch", {"intents": [{}] * 501}),
    ("POST", "/v1/intents/{intent}/resolve", {}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": None}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": 3}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "DONE"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "completed"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "CANCELLED"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "TIMED_OUT"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "IN_PROGRESS"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "CANCELED", "reason": "x" * 2001}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "CANCELED", "reason": 3}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "FAILED", "error": "broken"}),
    ("POST", "/v1/intents/{intent}/resolve", {"status": "FAILED", "actor": "x" * 256}),
    ("POST", "/v1/intents/{intent}/resume", {"expected_policy_generation": -1}),
    ("POST", "/v1/intents/{intent}/resume", {"expected_policy_generation": "0"}),
    ("POST", "/v1/intents/{intent}/resume", {"expected_policy_generation": 7}),
    ("POST", "/v1/intents/{intent}/resume", {"approve_current_step": "perhaps"}),
    ("POST", "/v1/intents/{intent}/resume", {"reason": "x" * 2001}),
    ("POST", "/v1/intents/{intent}/resume", {"task_result": {"outcome": "approved"}}),
    ("POST", "/v1/intents/{intent}/resume?owner_agent=a", {"rows": 3}),
    ("POST", "/v1/intents/{intent}/controls", {}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": None}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": []}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": {"deadline_at": "never"}}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": {"max_delivery_attempts": 0}}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": {}, "expected_policy_generation": 7}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": {}, "expected_policy_generation": -1}),
    ("POST", "/v1/intents/{intent}/controls", {"controls_patch": {}, "expected_policy_generation": 2**40}),
    ("POST", "/v1/intents/{intent}/policy", {}),
    ("POST", "/v1/intents/{intent}/policy", {"grants_patch": None}),
    ("POST", "/v1/intents/{intent}/policy", {"grants_patch": []}),
    ("POST", "/v1/intents/{intent}/policy", {"envelope_patch": "x"}),
    ("POST", "/v1/intents/{intent}/policy", {"grants_patch": {}, "expected_policy_generation": 7}),
    ("POST", "/v1/intents/{intent}/retry", {}),
    ("POST", "/v1/intents/{intent}/usage", {}),
    ("POST", "/v1/intents/{intent}/usage", {"cost_usd": -0.1}),
    ("POST", "/v1/intents/{intent}/usage", {"cost_usd": 1e300}),
    ("POST", "/v1/intents/{intent}/usage", {"tokens": 1.5}),
    ("POST", "/v1/intents/{intent}/usage", {"model": 3}),
    ("POST", "/v1/intents/bulk-cancel", {"older_than_hours": 0, "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"older_than_hours": -1, "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"older_than_hours": "long", "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"older_than_hours": 1e300, "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"status_filter": [], "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"status_filter": ["COMPLETED"], "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"status_filter": ["NONSENSE"], "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"status_filter": "SUBMITTED", "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"limit": 0, "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"limit": 5001, "dry_run": False}),
    ("POST", "/v1/intents/bulk-cancel", {"dry_run": "perhaps"}),
    ("POST", "/v1/scenarios/apply", {}),
    ("POST", "/v1/scenarios/apply", {"scenario_id": 3}),
    ("POST", "/v1/scenarios/apply", {"scenario_id": "x", "agents": "all", "workflow": 3}),
    ("POST", "/v1/scenarios/apply", {"scenario_id": "x.v1", "agents": [], "workflow": {"steps": []}}),
    ("POST", "/v1/scenarios/apply", {"scenario_id": "x.v1", "agents": [None], "workflow": {"steps": [None]}}),
    ("POST", "/v1/service-accounts", {}),
    ("POST", "/v1/service-accounts", {"name": ""}),
    ("POST", "/v1/service-accounts", {"name": "x"}),
    ("POST", "/v1/service-accounts", {"name": "x" * 121}),
    ("POST", "/v1/service-accounts", {"name": 3}),
    ("POST", "/v1/service-accounts", {"name": "///"}),
    ("POST", "/v1/service-accounts", {"name": "日本"}),
    ("POST", "/v1/service-accounts", {"name": "worker", "org_id": "no"}),
    ("POST", "/v1/service-accounts", {"name": "worker", "org_id": UNKNOWN}),
    ("POST", "/v1/service-accounts", {"name": "worker", "workspace_id": UNKNOWN}),
    ("POST", "/v1/service-accounts", {"name": "worker", "description": "x" * 1025}),
    ("POST", "/v1/service-accounts", {"name": "worker", "delivery_mode": "pigeon"}),
    ("POST", "/v1/service-accounts", {"name": "worker", "callback_url": "ftp://example.com"}),
    ("POST", "/v1/service-accounts", {"name": "worker", "callback_url": "x" * 3000}),
    ("POST", "/v1/service-accounts", {"name": "worker", "max_in_flight": 0}),
    ("POST", "/v1/service-accounts", {"name": "worker", "max_in_flight": "1"}),
    ("POST", "/v1/service-accounts", {"name": "agent://nobody/production/worker"}),
    ("POST", "/v1/service-accounts", {"name": "{name}"}),
    ("PATCH", "/v1/service-accounts/{account}", {"status": "asleep"}),
    ("PATCH", "/v1/service-accounts/{account}", {"delivery_mode": 3}),
    ("PATCH", "/v1/service-accounts/{account}", {"max_in_flight": -1}),
    ("PATCH", "/v1/service-accounts/{account}", {"display_name": "x" * 256}),
    ("PATCH", "/v1/service-accounts/sa_unknown", {"display_name": "x"}),
    ("POST", "/v1/service-accounts/{account}/keys", {"expires_at": "soon"}),
    ("POST", "/v1/service-accounts/{account}/keys", {"expires_at": "2099-01-01T00:00:00"}),
    ("POST", "/v1/service-accounts/{account}/keys", {"scopes": []}),
    ("POST", "/v1/service-accounts/{account}/keys", {"scopes": ["everything"]}),
    ("POST", "/v1/service-accounts/{account}/keys", {"scopes": "agent"}),
    ("POST", "/v1/service-accounts/sa_unknown/keys", {}),
    ("POST", "/v1/threads/t/items/batch", {}),
    ("POST", "/v1/threads/t/items/batch", {"items": [{"key": "a", "value": 1}]}),
    ("POST", "/v1/threads/t/items/get", {}),
    ("POST", "/v1/threads/t/items/get", {"keys": [None]}),
    ("POST", "/v1/threads/t/items/get", {"keys": ["a//b"]}),
    ("POST", "/v1/threads/t/entries", {"entries": [{"value": 1, "value_base64": ""}]}),
    ("POST", "/v1/threads/t/entries", {"entries": [{"value": 1}], "expected_length": 1.5}),
    ("POST", "/v1/threads/t/entries", {"entries": [{"value": 1}], "expected_length": 3}),
    ("POST", "/v1/threads/t/copy", {"to": "u"}),
    ("POST", "/v1/threads/t/copy", {"to": "../u"}),
    ("POST", "/v1/threads/t/prune", {"keep": -1}),
    ("POST", "/v1/threads/t/prune", {"keep": 10**30}),
)

# -- addresses: paths and queries ---------------------------------------------------------------------------------

BAD_ADDRESSES: tuple[tuple[str, str], ...] = (
    *(
        (method, f"/v1/intents/{bad}{rest}")
        for method, rest in (
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/events/stream"),
            ("POST", "/resolve"),
            ("POST", "/resume"),
            ("POST", "/controls"),
            ("POST", "/policy"),
            ("POST", "/redeliver"),
            ("POST", "/retry"),
        )
        for bad in (
            "1",
            "not-a-uuid",
            UNKNOWN[:-1],
            UNKNOWN + "0",
            "%00",
            UNKNOWN + "%00",
            "%ff",
            "..",
            "'%20OR%201=1",
        )
    ),
    ("GET", f"/v1/intents/{UNKNOWN}"),
    ("GET", f"/v1/intents/{UNKNOWN}/events"),
    ("GET", f"/v1/intents/{UNKNOWN}/events/stream"),
    ("POST", f"/v1/intents/{UNKNOWN}/redeliver"),
    ("GET", "/v1/"),
    ("GET", "/v1"),
    ("GET", "/v1/nonsense"),
    ("GET", "/v1/intents/"),
    ("GET", "/v1//intents"),
    ("GET", "/v1/intents/{intent}/"),
    ("GET", "/v1/intents/{intent}/nonsense"),
    ("PUT", "/v1/intents"),
    ("DELETE", "/v1/intents/{intent}"),
    ("POST", "/v1/intents/{intent}"),
    ("POST", "/v1/intents/{intent}/events"),
    ("GET", "/v1/intents/{intent}/resolve"),
    ("GET", "/v1/intents?limit=0"),
    ("GET", "/v1/intents?limit=-1"),
    ("GET", "/v1/intents?limit=501"),
    ("GET", "/v1/intents?limit=ten"),
    ("GET", "/v1/intents?limit=1e2"),
    ("GET", "/v1/intents?limit=" + "9" * 5000),
    ("GET", "/v1/intents?status=NONSENSE"),
    ("GET", "/v1/intents?status=COMPLETED,NONSENSE"),
    ("GET", "/v1/intents?cursor=nonsense"),
    ("GET", "/v1/intents?cursor=%00"),
    ("GET", "/v1/intents?cursor=" + "A" * 5000),
    ("GET", "/v1/intents?to_agent=http://example.com"),
    ("GET", "/v1/intents?to_agent=%00"),
    ("GET", "/v1/intents?intent_type=%00"),
    ("GET", "/v1/intents/{intent}/events?since=-1"),
    ("GET", "/v1/intents/{intent}/events?since=x"),
    ("GET", "/v1/intents/{intent}/events?since=" + "9" * 30),
    ("GET", "/v1/intents/{intent}/events/stream?since=-1"),
    ("GET", "/v1/intents/{intent}/events/stream?wait_seconds=0"),
    ("GET", "/v1/intents/{intent}/events/stream?wait_seconds=61"),
    ("GET", "/v1/intents/{intent}/events/stream?wait_seconds=%D9%A3"),
    ("GET", "/v1/threads?limit=0"),
    ("GET", "/v1/threads?after=nonsense"),
    ("GET", "/v1/threads?prefix=%00"),
    ("GET", "/v1/threads?prefix=%ff"),
    ("GET", "/v1/threads/nonesuch"),
    ("GET", "/v1/threads/%ff"),
    ("GET", "/v1/threads/" + "x" * 256),
    ("GET", "/v1/threads/t/items?order=up"),
    ("GET", "/v1/threads/t/items?start=" + "x" * 513),
    ("GET", "/v1/threads/t/items/nonesuch"),
    ("PUT", "/v1/threads/t/items/" + "x" * 513),
    ("PUT", "/v1/threads/t/items/a%0Ab"),
    ("PUT", "/v1/threads/t/items/a%00b"),
    ("PUT", "/v1/threads/t/items/a//b"),
    ("PUT", "/v1/threads/t/items/%2E%2E/b"),
    ("PUT", "/v1/threads/%C2%85/items/a"),
    ("POST", "/v1/threads/t/items/a"),
    ("DELETE", "/v1/threads/t/items"),
    ("DELETE", "/v1/threads/t/entries?last=0"),
    ("DELETE", "/v1/threads/t/entries?last=1&expected_length=3"),
    ("GET", "/v1/threads/t/entries?after=-1"),
    ("GET", "/v1/threads/t/entries?after=" + "9" * 30),
    ("GET", "/v1/intents/{intent}/checkpoints/never"),
    ("GET", "/v1/intents/{intent}/checkpoints/"),
    ("GET", "/v1/intents/{intent}/checkpoints/%00"),
    ("GET", "/v1/intents/{intent}/checkpoints/%ff"),
    ("GET", f"/v1/intents/{UNKNOWN}/checkpoints"),
    ("GET", "/v1/intents/no/checkpoints"),
    ("PUT", "/v1/intents/no/checkpoints/a"),
    ("PUT", f"/v1/intents/{UNKNOWN}/checkpoints/a"),
    ("PUT", "/v1/intents/{intent}/checkpoints/.."),
    ("PUT", "/v1/intents/{intent}/checkpoints/a/%2E%2E/b"),
    ("PUT", "/v1/intents/{intent}/checkpoints/a%0Ab"),
    ("PUT", "/v1/intents/{intent}/checkpoints/%ED%A0%80"),
    ("PUT", "/v1/intents/{intent}/checkpoints/" + "x" * 256),
    ("POST", "/v1/intents/{intent}/checkpoints/a"),
    ("DELETE", "/v1/intents/{intent}/checkpoints/a"),
    ("GET", "/v1/agents?limit=0"),
    ("GET", "/v1/agents?limit=many"),
    ("GET", "/v1/agents?org_id=no"),
    ("GET", f"/v1/agents?org_id={UNKNOWN}"),
    ("GET", f"/v1/agents?workspace_id={UNKNOWN}"),
    ("GET", "/v1/agents/nobody-here"),
    ("GET", "/v1/agents/%00"),
    ("GET", "/v1/agents/%20"),
    ("GET", "/v1/agents/a%0Ab"),
    ("GET", "/v1/agents/%ff%fe"),
    ("GET", "/v1/agents/http://example.com"),
    ("GET", "/v1/agents/agent://"),
    ("GET", "/v1/agents/" + "x" * 384),
    ("GET", "/v1/agents/nobody/production/worker"),
    ("GET", "/v1/agents/nobody/production/worker/intents/stream"),
    ("GET", "/v1/agents/%00/intents/stream"),
    ("GET", "/v1/agents/a%2F%2Fb/intents/stream"),
    ("GET", "/v1/agents/{name}/intents/stream?since=-1"),
    ("GET", "/v1/agents/{name}/intents/stream?since=1.5"),
    ("GET", "/v1/agents/{name}/intents/stream?wait_seconds=0"),
    ("GET", "/v1/agents/{name}/intents/stream?wait_seconds=NaN"),
    ("GET", "/v1/agents/{name}/intents/stream?status=NONSENSE"),
    ("GET", f"/v1/service-accounts?org_id={UNKNOWN}"),
    ("GET", "/v1/service-accounts?workspace_id=no"),
    ("GET", "/v1/service-accounts/sa_unknown"),
    ("GET", "/v1/service-accounts/%00"),
    ("GET", "/v1/service-accounts/sa_unknown/keys"),
    ("DELETE", "/v1/service-accounts/sa_unknown"),
    ("DELETE", "/v1/service-accounts/%F0%9F%92%A9"),
    ("POST", "/v1/service-accounts/{account}/keys/sak_unknown/revoke"),
    ("POST", "/v1/service-accounts/sa_unknown/keys/{key}/revoke"),
)

# -- headers ----------------------------------------------------------------------------------------------------

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

# -- frames -----------------------------------------------------------------------------------------------------

LEASE = {"intent_id": UNKNOWN, "lease": UNKNOWN}
#: Each is answered by a frame that says what is wrong; the connection goes on.
_FRAMES: tuple[dict[str, Any], ...] = (
    {},
    {"type": None},
    {"type": 3},
    {"type": []},
    {"type": ""},
    {"type": "HELLO"},
    {"type": "teleport"},
    {"type": "checkpoint\u0000"},
    {"type": "heartbeat", "ref": []},
    {"type": "heartbeat", "ref": 1.5},
    {"type": "hello"},  # a second one
    {"type": "hello", "max_in_flight": -1},
    {"type": "hello", "max_in_flight": 2**70},
    {"type": "hello", "address": {}},
    {"type": "submit"},
    {"type": "submit", "intents": None},
    {"type": "submit", "intents": [[]]},
    {"type": "submit", "intents": [{}] * 501},
    {"type": "watch"},
    {"type": "watch", "intents": [3]},
    {"type": "watch", "intents": [UNKNOWN]},
    {"type": "acknowledge", **LEASE},
    {"type": "complete", **LEASE},
    {"type": "complete", "deliveries": [LEASE, 3]},
    {"type": "complete", "deliveries": [LEASE] * 501},
    {"type": "complete", "intent_id": "{intent}", "lease": UNKNOWN, "result": {"rows": 3}},
    {"type": "complete", "intent_id": "{intent}", "lease": None},
    {"type": "fail", "intent_id": "{intent}", "lease": UNKNOWN, "error": "x"},
    {"type": "fail", "error": 3, **LEASE},
    {"type": "fail", "retryable": "perhaps", **LEASE},
    {"type": "release", "intent_id": "{intent}", "lease": UNKNOWN},
    {"type": "release", "delay": -0.1, **LEASE},
    {"type": "release", "delay": 1e300, **LEASE},
    {"type": "extend", **LEASE},
    {"type": "extend", "intent_id": "{intent}", "lease": UNKNOWN},
    {"type": "checkpoint"},
    {"type": "checkpoint", "step": "a", "value": 1, **LEASE},
    {"type": "checkpoint", "intent_id": "{intent}", "step": "a", "value": 1},
    {"type": "checkpoint", "intent_id": "{intent}", "lease": UNKNOWN, "step": "..", "value": 1},
    {"type": "checkpoint", "intent_id": "{intent}", "step": "a", "value_base64": "="},
    {"type": "checkpoint", "items": [3]},
    {"type": "report", "tokens": 1, **LEASE},
    {"type": "report", "intent_id": "{intent}", "tokens": 1},
    {"type": "report", "intent_id": "{intent}", "tokens": 2**80},
)
BAD_FRAMES: tuple[str, ...] = (
    *(body.decode() for name, body in NOT_JSON_OBJECTS.items() if name not in {"not UTF-8", "UTF-16"}),
    *(body.decode() for body in OTHER_JSON.values()),
    *(json.dumps(frame) for frame in _FRAMES),
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
