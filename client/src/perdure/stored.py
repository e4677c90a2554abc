"""Checkpoints of intents, and values as they go to the server and come back."""

from __future__ import annotations

import base64
import json
from typing import Any

from perdure import plans
from perdure.intents import path_of
from perdure.plans import Plan, Response
from perdure.records import Checkpoint
from perdure.runners import Bound, R_co, operation

JSON = "application/json"
BYTES = "application/octet-stream"
#: How many items or entries are read at a time.
PAGE = 200
AllCheckpoints = list[Checkpoint]


def encoded(value: Any, content_type: str | None = None) -> tuple[bytes, str]:
    """The bytes of a value and what they are: bytes stay as they are, anything else becomes JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), content_type or BYTES
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode(), content_type or JSON


def is_json(content_type: str) -> bool:
    """Whether such bytes are JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == JSON or kind.endswith("+json")


def in_json(value: Any, content_type: str | None = None) -> dict[str, Any]:
    """A value as part of a larger JSON object."""
    if isinstance(value, bytes | bytearray | memoryview):
        content, kind = bytes(value), content_type or BYTES
        if is_json(kind):
            return {"value": json.loads(content), "content_type": kind}
        return {"value_base64": base64.b64encode(content).decode(), "content_type": kind}
    return {"value": value, "content_type": content_type or JSON}


def decoded(response: Response) -> Any:
    """The value that an answer consists of."""
    if is_json(response.headers.get("content-type", "")):
        return json.loads(response.content)
    return response.content


class Checkpoints(Bound[R_co]):
    """The steps of an intent that are done."""

    @operation
    def list(self, intent_id: object) -> Plan[AllCheckpoints]:
        """The checkpoints of an intent, in the order they were saved; small ones with their values."""
        asked = plans.request("GET", path_of(intent_id, "checkpoints"))
        body = yield from plans.json_of(asked, self._policy)
        return [Checkpoint(each) for each in body["checkpoints"]]

    @operation
    def get(self, intent_id: object, step: str) -> Plan[Any]:
        """The value of a step: JSON as what it says, anything else as bytes.

        Raises:
            errors.NotFound: there is no such step.
        """
        return decoded((yield from self._read(intent_id, step)))

    @operation
    def get_raw(self, intent_id: object, step: str) -> Plan[tuple[bytes, str]]:
        """The bytes of a step, and their content type."""
        response = yield from self._read(intent_id, step)
        return response.content, response.headers.get("content-type", BYTES)

    def _read(self, intent_id: object, step: str) -> Plan[Response]:
        path = path_of(intent_id, "checkpoints", plans.segment(step))
        return plans.answered(plans.request("GET", path), self._policy)

    @operation
    def put(
        self,
        intent_id: object,
        step: str,
        value: Any,
        *,
        content_type: str | None = None,
        lease: str | None = None,
    ) -> Plan[Checkpoint]:
        """Save a step. The first value stays: the answer is what is stored now, with `created` telling whose it is.

        Raises:
            errors.LeaseLost: another attempt has superseded the one with this lease.
            errors.IntentEnded: the intent has ended.
            errors.PayloadTooLarge: the value, or all of the intent's together.
        """
        content, kind = encoded(value, content_type)
        headers = {"content-type": kind} | ({"x-perdure-lease": lease} if lease else {})
        path = path_of(intent_id, "checkpoints", plans.segment(step))
        body = yield from plans.json_of(
            plans.request("PUT", path, content=content, headers=headers), self._policy
        )
        return Checkpoint(body["checkpoint"], created=body.get("created"))
