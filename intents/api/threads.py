"""Threads over HTTP: which there are, and what is done to a whole one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from ninja import Router

from agents.access import requires
from agents.models import Scope
from intents import thread_items, threads
from intents.api.requests import IDEMPOTENCY_KEY, AgentRequest, answer
from intents.api.thread_items import Limit, Order
from intents.api.thread_schemas import CopyIn, Deleted, NumberDeleted, PruneIn, ThreadOut, ThreadsOut
from intents.records import Row
from intents.threads import Span, ThreadName

router = Router(tags=["threads"])


@router.get("", response=ThreadsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_threads(
    request: AgentRequest,
    prefix: str | None = None,
    after: str | None = None,
    order: Order | None = None,
    limit: Limit = 100,
) -> HttpResponse:
    """List the threads of the workspace: newest first, or by id those whose id begins with `prefix`."""
    if prefix is None:
        page = await threads.newest(request.auth, is_descending=order != "asc", after=after, limit=limit)
        mark = "id"
    else:
        span = Span(prefix, after=after, is_descending=order == "desc")
        page = await threads.by_name(request.auth, span, limit)
        mark = "thread_id"
    body = {"ok": True, "threads": [_described(row) for row in page.rows]}
    return answer(body | ({"next_after": str(page.rows[-1][mark])} if page.has_more else {}))


@router.get("/{thread_id}", response=ThreadOut)
@requires(Scope.READ, Scope.AGENT)
async def get_thread(request: AgentRequest, thread_id: str) -> HttpResponse:
    """Tell how much is in a thread, and since when."""
    row = await threads.find(ThreadName.of(request.auth, thread_id))
    return answer({"ok": True, "thread": _described(row)})


@router.delete("/{thread_id}", response=Deleted)
@requires(Scope.AGENT)
async def delete_thread(request: AgentRequest, thread_id: str) -> HttpResponse:
    """Delete a thread with all that is in it."""
    return answer({"ok": True, "deleted": await threads.delete(ThreadName.of(request.auth, thread_id))})


@router.post("/{thread_id}/copy", response={201: ThreadOut}, openapi_extra=IDEMPOTENCY_KEY)
@requires(Scope.AGENT)
async def copy_thread(request: AgentRequest, thread_id: str, body: CopyIn) -> HttpResponse:
    """Make a new thread with the same items and entries."""
    to = ThreadName.of(request.auth, body.to)
    row = await threads.copy(ThreadName.of(request.auth, thread_id), to)
    response = answer({"ok": True, "thread": _described(row)})
    response.status_code = 201
    return response


@router.post("/{thread_id}/prune", response=NumberDeleted, openapi_extra=IDEMPOTENCY_KEY)
@requires(Scope.AGENT)
async def prune_thread(request: AgentRequest, thread_id: str, body: PruneIn) -> HttpResponse:
    """Of the items whose key begins with `prefix`, delete all but the `keep` last by key."""
    deleted = await thread_items.prune(ThreadName.of(request.auth, thread_id), body.prefix, body.keep)
    return answer({"ok": True, "deleted": deleted})


def _described(row: Row) -> dict[str, Any]:
    return {
        "thread_id": row["thread_id"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "items": row["item_count"],
        "entries": row["entry_count"],
        "bytes": row["bytes"],
    }
