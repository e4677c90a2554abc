"""Items of threads over HTTP: single ones as raw bytes, many at once as JSON."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpResponse
from django.utils.http import http_date
from ninja import Query, Router

from agents import documents
from agents.access import requires
from agents.errors import Invalid, NotFound
from agents.models import Scope
from intents import thread_items
from intents.api.requests import AgentRequest, answer
from intents.api.thread_schemas import Deleted, ItemsOut, NumberDeleted, PutOut
from intents.records import Row
from intents.thread_items import ABSENT, PRESENT, Change, checked_key
from intents.threads import Span, ThreadName
from intents.values import BYTES, Value, checked_content_type, checked_size, from_json, in_json

router = Router(tags=["threads"])

Order = Literal["asc", "desc"]
Limit = Annotated[int, Query(ge=1, le=1000)]
BYTES_IN: dict[str, Any] = {"requestBody": {"content": {"*/*": {"schema": {"format": "binary"}}}}}
BYTES_OUT: dict[str, Any] = {"responses": {200: {"content": {"*/*": {"schema": {"format": "binary"}}}}}}
JSON_IN: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {}}}}}
_ETAG = re.compile(r'"([0-9]{1,18})"')
#: What a change in a batch may say.
_FIELDS = frozenset({"key", "value", "value_base64", "content_type", "if_version", "delete"})


@router.get("/{thread_id}/items", response=ItemsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_items(
    request: AgentRequest,
    thread_id: str,
    prefix: str = "",
    start: str | None = None,
    after: str | None = None,
    order: Order = "asc",
    limit: Limit = 100,
    values: bool = False,
) -> HttpResponse:
    """List the items of a thread by key, those whose key begins with `prefix`."""
    name = ThreadName.of(request.auth, thread_id)
    span = Span(prefix, start, after, is_descending=order == "desc")
    page = await thread_items.page(name, span, limit, has_values=values)
    body = {"ok": True, "items": [described(row, has_value=values) for row in page.rows]}
    return answer(body | ({"next_after": page.rows[-1]["key"]} if page.has_more else {}))


@router.delete("/{thread_id}/items", response=NumberDeleted)
@requires(Scope.AGENT)
async def delete_items(request: AgentRequest, thread_id: str, prefix: str) -> HttpResponse:
    """Delete all items whose key begins with `prefix`, which may be empty, but has to be there."""
    deleted = await thread_items.prune(ThreadName.of(request.auth, thread_id), prefix, 0)
    return answer({"ok": True, "deleted": deleted})


@router.get("/{thread_id}/items/{path:key}", openapi_extra=BYTES_OUT)
@requires(Scope.READ, Scope.AGENT)
async def get_item(request: AgentRequest, thread_id: str, key: str) -> HttpResponse:
    """Give the bytes of an item, as something to be kept, never to be shown."""
    row = await thread_items.find(ThreadName.of(request.auth, thread_id), key)
    headers = {
        "ETag": f'"{row["version"]}"',
        "Last-Modified": http_date(row["updated_at"].timestamp()),
        "X-Perdure-Version": str(row["version"]),
    }
    if _has_it(request.META.get("HTTP_IF_NONE_MATCH", ""), row["version"]):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(
        bytes(row["value"]),
        content_type=row["content_type"],
        headers={
            **headers,
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox",
        },
    )


@router.put("/{thread_id}/items/{path:key}", response={200: PutOut, 201: PutOut}, openapi_extra=BYTES_IN)
@requires(Scope.AGENT)
async def put_item(request: AgentRequest, thread_id: str, key: str) -> HttpResponse:
    """Set an item to the bytes of the body; under `If-Match` or `If-None-Match: *` only if they allow it."""
    name = ThreadName.of(request.auth, thread_id)
    content_type = checked_content_type(request.META.get("CONTENT_TYPE") or BYTES)
    value = checked_size(Value(content_type, request.body), settings.PERDURE_VALUE_BYTES)
    [row] = await thread_items.change(name, [Change(checked_key(key), value, _wanted(request))])
    is_new = row["old_version"] is None
    response = answer({"ok": True, "created": is_new, "item": described(row, has_value=False)})
    response.status_code = 201 if is_new else 200
    response["ETag"] = f'"{row["version"]}"'
    return response


@router.delete("/{thread_id}/items/{path:key}", response=Deleted)
@requires(Scope.AGENT)
async def delete_item(request: AgentRequest, thread_id: str, key: str) -> HttpResponse:
    """Delete an item; under `If-Match` only if it has that version."""
    name = ThreadName.of(request.auth, thread_id)
    [row] = await thread_items.change(name, [Change(checked_key(key), None, _wanted(request))])
    return answer({"ok": True, "deleted": row["old_version"] is not None})


@router.post("/{thread_id}/items/{path:key}", response=ItemsOut, openapi_extra=JSON_IN)
@requires(Scope.READ, Scope.AGENT)
async def post_to_items(request: AgentRequest, thread_id: str, key: str) -> HttpResponse:
    """Do something with many items: `batch` changes them, all or none, `get` reads them with their values.

    Both are fine names for items too, so they share the path with them.
    """
    name = ThreadName.of(request.auth, thread_id)
    match key:
        case "batch":
            request.auth.require(Scope.AGENT)
            changes = _changes(documents.parse(request.body))
            rows = await thread_items.change(name, changes)
            return answer({"ok": True, "items": [_changed(row) for row in rows]})
        case "get":
            found, missing = await thread_items.find_all(name, _keys(documents.parse(request.body)))
            body = {"ok": True, "items": [described(row, has_value=True) for row in found]}
            return answer(body | ({"missing": missing} if missing else {}))
        case _:
            raise NotFound("post to items/batch or items/get")


def described(row: Row, *, has_value: bool) -> dict[str, Any]:
    """An item as answers have it."""
    body = {
        name: row[name] for name in ("key", "version", "size", "content_type", "created_at", "updated_at")
    }
    return body | (in_json(Value(row["content_type"], bytes(row["value"]))) if has_value else {})


def _changed(row: Row) -> dict[str, Any]:
    if row["is_removed"]:
        return {"key": row["key"], "deleted": row["old_version"] is not None}
    return described(row, has_value=False) | {"created": row["old_version"] is None}


def _wanted(request: AgentRequest) -> int | None:
    """The version that the headers ask for.

    Raises:
        Invalid: they ask for something else, or for both.
    """
    has_it, has_not = request.META.get("HTTP_IF_MATCH"), request.META.get("HTTP_IF_NONE_MATCH")
    if has_it is not None and has_not is not None:
        raise Invalid("give If-Match or If-None-Match, not both")
    if has_not is not None:
        if has_not.strip() != "*":
            raise Invalid("If-None-Match is * here: the item must not exist")
        return ABSENT
    if has_it is None:
        return None
    if has_it.strip() == "*":
        return PRESENT
    if (tag := _ETAG.fullmatch(has_it.strip())) is None or int(tag[1]) == 0:
        raise Invalid('If-Match is one version in quotes, such as "17", or *')
    return int(tag[1])


def _has_it(tags: str, version: int) -> bool:
    """Whether a reader who sent these tags has that version already."""
    return tags.strip() == "*" or str(version) in _ETAG.findall(tags)


def _changes(body: Any) -> list[Change]:
    if not isinstance(body, list):
        raise Invalid("a batch is a list of changes")
    return [_change(fields) for fields in body]


def _change(fields: Any) -> Change:
    if not isinstance(fields, dict):
        raise Invalid("a change is an object")
    if unknown := fields.keys() - _FIELDS:
        raise Invalid(f"a change has no field {min(unknown)!r}")
    key, wanted, is_removed = fields.get("key"), fields.get("if_version"), fields.get("delete", False)
    if not isinstance(key, str):
        raise Invalid("a change has a key, which is a string")
    if wanted is not None and (type(wanted) is not int or not 0 <= wanted < 2**63):
        raise Invalid("if_version is a version, or 0")
    if type(is_removed) is not bool:
        raise Invalid("delete is true or false")
    if not is_removed:
        return Change(checked_key(key), from_json(fields, largest=settings.PERDURE_VALUE_BYTES), wanted)
    if "value" in fields or "value_base64" in fields:
        raise Invalid("what is deleted has no value")
    return Change(checked_key(key), None, wanted)


def _keys(body: Any) -> list[str]:
    keys = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Invalid("keys is a list of strings")
    return keys
