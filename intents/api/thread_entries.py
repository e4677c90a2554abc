"""Entries of threads over HTTP: append, read from either end, take back."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Query, Router

from agents import documents
from agents.access import requires
from agents.errors import Invalid
from agents.models import Scope
from intents import thread_entries
from intents.api.requests import IDEMPOTENCY_KEY, AgentRequest, answer
from intents.api.thread_items import JSON_IN, Limit, Order
from intents.api.thread_schemas import AppendedOut, EntriesOut
from intents.records import Row
from intents.threads import MOST_AT_ONCE, ThreadName
from intents.values import Value, from_json, in_json

router = Router(tags=["threads"])

Position = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
Length = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
_FIELDS = frozenset({"value", "value_base64", "content_type"})


@router.get("/{thread_id}/entries", response=EntriesOut)
@requires(Scope.READ, Scope.AGENT)
async def list_entries(
    request: AgentRequest, thread_id: str, after: Position = None, order: Order = "asc", limit: Limit = 100
) -> HttpResponse:
    """List the entries of a thread after a position, oldest or newest first."""
    name = ThreadName.of(request.auth, thread_id)
    is_descending = order == "desc"
    length, page = await thread_entries.page(name, after=after, limit=limit, is_descending=is_descending)
    body = {"ok": True, "length": length, "entries": [_described(row) for row in page.rows]}
    return answer(body | ({"next_after": page.rows[-1]["position"]} if page.has_more else {}))


@router.post(
    "/{thread_id}/entries", response={201: AppendedOut}, openapi_extra={**IDEMPOTENCY_KEY, **JSON_IN}
)
@requires(Scope.AGENT)
async def append_entries(request: AgentRequest, thread_id: str) -> HttpResponse:
    """Append entries to a thread, all or none; with `expected_length`, only if it is as long as that."""
    name = ThreadName.of(request.auth, thread_id)
    values, expected_length = _appended(documents.parse(request.body))
    before = await thread_entries.append(name, values, expected_length=expected_length)
    length = before + len(values)
    response = answer({"ok": True, "length": length, "first": before + 1, "last": length})
    response.status_code = 201
    return response


@router.delete("/{thread_id}/entries", response=EntriesOut)
@requires(Scope.AGENT)
async def take_entries(
    request: AgentRequest,
    thread_id: str,
    last: Annotated[int | None, Query(ge=1, le=1000)] = None,
    expected_length: Length = None,
) -> HttpResponse:
    """Take the `last` entries away and answer them, oldest first; without a number, take all away."""
    name = ThreadName.of(request.auth, thread_id)
    if last is None:
        removed = await thread_entries.clear(name, expected_length=expected_length)
        return answer({"ok": True, "length": 0, "removed": removed})
    length, taken = await thread_entries.pop(name, last, expected_length=expected_length)
    return answer({"ok": True, "length": length, "entries": [_described(row) for row in taken]})


def _described(row: Row) -> dict[str, Any]:
    body = {name: row[name] for name in ("position", "at", "size", "content_type")}
    return body | in_json(Value(row["content_type"], bytes(row["value"])))


def _appended(body: Any) -> tuple[list[Value], int | None]:
    """What is to be appended, and how long the log has to be.

    Raises:
        Invalid: that is not what the body says.
        PayloadTooLarge: one of the values is too large.
    """
    if not isinstance(body, dict) or body.keys() - {"entries", "expected_length"}:
        raise Invalid("the body has entries, and expected_length if wanted")
    entries, expected_length = body.get("entries"), body.get("expected_length")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_AT_ONCE:
        raise Invalid(f"entries is a list of 1 to {MOST_AT_ONCE}")
    if expected_length is not None and not (type(expected_length) is int and 0 <= expected_length < 2**31):
        raise Invalid("expected_length is the length of a log")
    return [_value(fields) for fields in entries], expected_length


def _value(fields: Any) -> Value:
    if not isinstance(fields, dict) or fields.keys() - _FIELDS:
        raise Invalid("an entry has value or value_base64, and content_type if wanted")
    return from_json(fields, largest=settings.PERDURE_VALUE_BYTES)
