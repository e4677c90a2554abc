"""Idempotency keys: a write that is repeated under its key is answered, not done again.

For all routes that change something, but the submission of intents: that keeps its record in the same statement
as the intents themselves. Here the record surrounds the view instead:

- The first request inserts a record without a status: it is *running*, and `created_at` is both its lease (renewed
  while the view works) and its fence (nobody else can hold the same instant).
- The same request again waits, in this process on a lock and across processes by looking, and gets the stored
  answer. Nobody holds a database connection while waiting.
- A record whose process died is taken over once its lease has run out. Should it have died between the view's
  commit and the record's, the view runs a second time; only one transaction for both could exclude that.
- A view that has begun under a key runs to its end even if its client leaves: the repetition finds an answer.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakSet

import orjson
import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from agents import postgres
from agents.auth import ApiKeyAuth
from agents.caller import Caller
from agents.errors import Conflict, Invalid, Unauthenticated, Unavailable
from controlplane.access import ROUTES
from controlplane.envelope import JSON
from controlplane.redaction import without_secrets

log = structlog.get_logger(__name__)

Call = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

any_key = ApiKeyAuth(while_killed=True)  # whether a killed agent may, the route says

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: These record their key in the statement that submits.
SELF_KEEPING = frozenset({"/v1/intents", "/v1/intents/batch"})
KEY_LENGTH = 255

LEASE_SECONDS = 15.0
RENEWAL_SECONDS = LEASE_SECONDS / 3
PATIENCE_SECONDS = 30.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.02, 0.5

CLAIM = """
-- Ours if nobody has it, or if its holder's lease has run out.
INSERT INTO intents_idempotencyrecord AS record (agent_id, method, path, key, request_hash, created_at)
VALUES (%(agent_id)s, %(method)s, %(path)s, %(key)s, %(request_hash)s, statement_timestamp())
ON CONFLICT (agent_id, method, path, key) DO UPDATE
SET request_hash = excluded.request_hash, created_at = statement_timestamp()
WHERE record.status IS NULL
    AND record.created_at < statement_timestamp() - make_interval(secs => %(lease)s)
RETURNING created_at
"""
RECORDED = """
SELECT request_hash, status, response FROM intents_idempotencyrecord
WHERE agent_id = %(agent_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s
"""
RENEW = """
UPDATE intents_idempotencyrecord SET created_at = statement_timestamp()
WHERE agent_id = %(agent_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s
    AND status IS NULL AND created_at = %(held_since)s
RETURNING created_at
"""
KEEP = """
UPDATE intents_idempotencyrecord SET status = %(status)s, response = %(response)s::jsonb
WHERE agent_id = %(agent_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s
    AND status IS NULL AND created_at = %(held_since)s
"""
FORGET = """
DELETE FROM intents_idempotencyrecord
WHERE agent_id = %(agent_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s
    AND status IS NULL AND created_at = %(held_since)s
"""


class Scope(NamedTuple):
    """Whose key it is, and for what. Another route or another sender may use the same key freely."""

    agent_id: int
    method: str
    path: str
    key: str


@dataclass
class _Turnstile:
    lock: asyncio.Lock
    waiting: int = 0


_turnstiles: dict[Scope, _Turnstile] = {}
_running: set[asyncio.Task[HttpResponseBase]] = set()
#: Loops whose process is stopping: who waits for another process there would be cut off.
_stopping: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


async def once(call: Call, request: HttpRequest) -> HttpResponseBase:
    """Middleware: do a write with an Idempotency-Key once, and answer its repetitions with the first answer.

    Raises:
        Invalid: the key is not 1 to 255 printable ASCII characters.
        Forbidden: the API key may not do this, and so is not told either what another of its agent has done.
        Conflict: the key was used for another body, or the first request does not come to an end.
        Unavailable: it had not come to an end when this process was told to stop; nothing was done.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None or request.method not in CHANGING or request.path_info in SELF_KEEPING:
        return await call(request)
    if not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Invalid(f"Idempotency-Key must be 1 to {KEY_LENGTH} printable ASCII characters")
    try:
        caller = await any_key(request)
    except Unauthenticated:
        return await call(request)  # the route itself says so, or is public and has nobody to remember
    _require_what_the_route_does(caller, request)
    scope = Scope(caller.agent_id, request.method or "", request.path_info, key)
    digest = fingerprint(request)
    async with _alone_in_this_process(scope):
        outcome = await _claim_or_replay(scope, digest)
        if isinstance(outcome, HttpResponse):
            return outcome
        task = asyncio.create_task(_run_and_record(call, request, scope, outcome))
        _running.add(task)  # it outlives a client that leaves; somebody has to hold it
        task.add_done_callback(_running.discard)
        return await asyncio.shield(task)


def give_up_waiting() -> None:
    """Send away who waits here for what another process does; the process that is asked next will know more."""
    _stopping.add(asyncio.get_running_loop())


async def settle(seconds: float = 3.0) -> None:
    """Wait for the writes that go on without their clients, so that a process does not stop in their middle."""
    if _running:
        await asyncio.wait(_running, timeout=seconds)


def fingerprint(request: HttpRequest) -> bytes:
    """What makes two requests the same: the body's meaning, not its spelling, and the owner it is for."""
    try:
        body = orjson.dumps(orjson.loads(request.body), option=orjson.OPT_SORT_KEYS) if request.body else b""
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        body = request.body
    owner = request.GET.get("owner_agent") or request.META.get("HTTP_X_OWNER_AGENT", "")
    return hashlib.sha256(owner.encode() + b"\x00" + body).digest()


def _require_what_the_route_does(caller: Caller, request: HttpRequest) -> None:
    """Ask for the scopes before the route does: a repetition does not come that far."""
    try:
        route = resolve(request.path_info, "controlplane.edge_urls").route
    except Resolver404:
        return  # the handler says so
    scopes = ROUTES.get(f"{request.method} /{route.replace('<', '{').replace('>', '}')}")
    if scopes:
        caller.require(*sorted(scopes))


async def _claim_or_replay(scope: Scope, digest: bytes) -> datetime | HttpResponse:
    """Since when the record is ours, or what was answered before."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + PATIENCE_SECONDS, FIRST_LOOK_SECONDS
    names = scope._asdict()
    while True:
        claimed = await postgres.rows(CLAIM, {**names, "request_hash": digest, "lease": LEASE_SECONDS})
        if claimed:
            held_since: datetime = claimed[0]["created_at"]
            return held_since
        for record in await postgres.rows(RECORDED, names):  # none if it has just been forgotten
            if bytes(record["request_hash"]) != digest:
                raise Conflict("idempotency key reused with different payload", code="idempotency_conflict")
            if record["status"] is not None:
                return HttpResponse(
                    orjson.dumps(record["response"]), status=record["status"], content_type=JSON
                )
        if loop.time() > deadline:
            raise Conflict(
                "the first request with this idempotency key has not ended yet", code="idempotency_conflict"
            )
        if loop in _stopping:
            raise Unavailable("the first request with this idempotency key has not ended yet, ask again")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_LOOK_SECONDS)


async def _run_and_record(
    call: Call, request: HttpRequest, scope: Scope, held_since: datetime
) -> HttpResponseBase:
    """Serve the request, keep the lease alive meanwhile, and record a good answer; a bad one is forgotten."""
    names: dict[str, Any] = {**scope._asdict(), "held_since": held_since}
    view = asyncio.ensure_future(call(request))
    while not (await asyncio.wait({view}, timeout=RENEWAL_SECONDS))[0]:
        try:
            for renewed in await postgres.rows(RENEW, names):
                names["held_since"] = renewed["created_at"]
        except postgres.DatabaseUnavailable:
            log.warning("the lease of an idempotency key could not be renewed", path=scope.path)
    response = view.result()  # an error is an answer already
    try:
        await _record(response, names)
    except postgres.DatabaseUnavailable:
        # What was done is done. A repetition after the lease has run out does it again.
        log.error("an answer could not be recorded under its idempotency key", path=scope.path)
    return response


async def _record(response: HttpResponseBase, names: dict[str, Any]) -> None:
    is_json = isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith(
        "application/json"
    )
    if response.status_code >= 400 or not is_json:
        await postgres.rows(FORGET, names)
        return
    assert isinstance(response, HttpResponse)
    answer, had_secret = without_secrets(orjson.loads(response.content or b"null"))
    if had_secret and isinstance(answer, dict):
        answer["replayed"] = True  # whoever gets this again learns why the token is missing
    await postgres.rows(
        KEEP, {**names, "status": response.status_code, "response": orjson.dumps(answer).decode()}
    )


@asynccontextmanager
async def _alone_in_this_process(scope: Scope) -> AsyncIterator[None]:
    """One request at a time for each scope; the others wait here, without a connection."""
    turnstile = _turnstiles.setdefault(scope, _Turnstile(asyncio.Lock()))
    turnstile.waiting += 1
    try:
        async with turnstile.lock:
            yield
    finally:
        turnstile.waiting -= 1
        if not turnstile.waiting:
            _turnstiles.pop(scope, None)
