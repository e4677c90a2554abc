"""Frames of the websocket that are answered by one that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

from tests.controlplane.bad_fields import UNKNOWN
from tests.controlplane.bad_json import NOT_JSON_OBJECTS, OTHER_JSON

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
