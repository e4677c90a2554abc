"""API keys at the door, over HTTP and websocket: headers in, `Caller` out.

A key that was seen within the last instant costs a keyed hash and a look into a dictionary. The cache is refreshed
ahead of its end, so that a busy key never waits, and forgets fast enough for a revocation to work within a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest
from ninja.security.base import AuthBase

from agents import origin, postgres, signals, tokens
from agents.caller import Caller
from agents.errors import AgentKilled, ApiError, Unauthenticated
from agents.postgres import DatabaseUnavailable

__all__ = ["ApiKeyAuth", "ApiKeyMiddleware", "Caller", "authenticate", "forget"]

logger = logging.getLogger(__name__)

#: A cached key is looked up again behind the caller's back when this old,
FRESH_SECONDS = 0.4
#: and is not trusted any more when this old.
STALE_SECONDS = 0.8
#: More keys than this at once, and those that are stale are thrown out.
CACHED_KEYS = 10_000
#: What changes nothing, a killed agent may do.
READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: How exact `last_used_at` is: a write a minute and key.
LAST_USED_SECONDS = 60

FIND = """
    SELECT
        key.id AS key_id, key.scopes, key.agent_id, key.organization_id,
        key.last_used_at IS NULL
            OR key.last_used_at < statement_timestamp() - make_interval(secs => %(last_used_seconds)s) AS is_news,
        agent.service_account_id, agent.address, agent.name, agent.max_in_flight, agent.workspace_id,
        agent.killed_at IS NOT NULL AS is_killed,
        organization.slug AS organization_slug, workspace.slug AS workspace_slug
    FROM agents_apikey AS key
    JOIN agents_agent AS agent ON agent.id = key.agent_id
    JOIN agents_organization AS organization ON organization.id = key.organization_id
    JOIN agents_workspace AS workspace ON workspace.id = agent.workspace_id
    WHERE key.secret_hash = %(secret_hash)s
        AND key.revoked_at IS NULL
        AND (key.expires_at IS NULL OR key.expires_at > statement_timestamp())
        AND agent.status = 'active'
"""

USED = """
    UPDATE agents_apikey
    SET last_used_at = statement_timestamp(), last_used_ip = %(ip)s, last_used_client = %(client)s
    WHERE id = %(key_id)s
        AND (last_used_at IS NULL
            OR last_used_at < statement_timestamp() - make_interval(secs => %(last_used_seconds)s))
"""


@dataclass(slots=True)
class _Entry:
    caller: Caller
    #: when the look-up began: what it saw may have changed since
    seen_at: float


@dataclass(frozen=True, slots=True)
class _Visit:
    ip: str
    client: str


_cache: dict[bytes, _Entry] = {}
#: look-ups under way, so that a thousand requests of one key ask the database once
_loading: dict[bytes, asyncio.Task[Caller | None]] = {}
_background: set[asyncio.Task[None]] = set()


async def authenticate(headers: Mapping[str, str], client_ip: str | None) -> Caller:
    """Return who sent these headers (names in lower case).

    Raises:
        Unauthenticated: no key, or none that is valid now.
        DatabaseUnavailable: nobody can tell at the moment.
    """
    secret_hash = tokens.digest(token := _token(headers))
    now = monotonic()
    entry = _cache.get(secret_hash)
    if entry is not None and now - entry.seen_at < FRESH_SECONDS:
        return entry.caller
    visit = _Visit(
        (client_ip or "")[:64], (headers.get("x-axme-client") or headers.get("user-agent") or "")[:200]
    )
    if entry is not None and now - entry.seen_at < STALE_SECONDS:
        _load(secret_hash, visit)
        return entry.caller
    if not tokens.is_well_formed(token):
        raise Unauthenticated("the API key is not valid")
    # Shielded: the one who asked first may leave, and others wait for the same answer.
    caller = await asyncio.shield(_load(secret_hash, visit))
    if caller is None:
        raise Unauthenticated("the API key is not valid")
    return caller


def forget(key_ids: Iterable[str]) -> None:
    """Look these keys up afresh when they are used next."""
    forgotten = set(key_ids)
    for secret_hash, entry in list(_cache.items()):
        if entry.caller.key_id in forgotten:
            _cache.pop(secret_hash, None)


def forget_agents(agent_ids: Iterable[int]) -> None:
    """Look the keys of these agents up afresh when they are used next."""
    forgotten = set(agent_ids)
    forget([entry.caller.key_id for entry in _cache.values() if entry.caller.agent_id in forgotten])


@receiver(signals.keys_revoked)
def _forget_revoked(sender: object, key_ids: list[str], **kwargs: Any) -> None:
    forget(key_ids)


def _token(headers: Mapping[str, str]) -> str:
    """Return the key among the credentials. See the decision table of the protocol."""
    key = headers.get("x-api-key", "").strip()
    scheme, _, bearer = headers.get("authorization", "").strip().partition(" ")
    bearer = bearer.strip() if scheme.lower() == "bearer" else ""
    if bearer and not bearer.startswith(tokens.PREFIX):
        # Actor tokens are not issued here, so none can be valid.
        raise Unauthenticated("the actor token is not valid", code="invalid_actor_token")
    if not (key or bearer):
        raise Unauthenticated("an API key is required", code="missing_platform_api_key")
    return key or bearer


def _load(secret_hash: bytes, visit: _Visit) -> asyncio.Task[Caller | None]:
    """Return the look-up of this key that is under way, starting it if there is none."""
    task = _loading.get(secret_hash)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _loading[secret_hash] = asyncio.create_task(_look_up(secret_hash, visit))
        task.add_done_callback(lambda done: _loaded(secret_hash, done))
    return task


async def _look_up(secret_hash: bytes, visit: _Visit) -> Caller | None:
    began = monotonic()
    found = await postgres.rows(FIND, {"secret_hash": secret_hash, "last_used_seconds": LAST_USED_SECONDS})
    if not found:
        _cache.pop(secret_hash, None)
        return None
    [row] = found
    is_news = row.pop("is_news")
    caller = Caller(**{**row, "scopes": frozenset(row["scopes"])})
    if len(_cache) >= CACHED_KEYS:
        _evict(began)
    _cache[secret_hash] = _Entry(caller, began)
    if is_news:
        _in_background(_note_use(caller.key_id, visit))
    return caller


def _loaded(secret_hash: bytes, task: asyncio.Task[Caller | None]) -> None:
    if _loading.get(secret_hash) is task:
        del _loading[secret_hash]
    if not task.cancelled():
        task.exception()  # whoever awaits it hears of it; a refresh ahead of time has nobody who does


def _evict(now: float) -> None:
    for secret_hash, entry in list(_cache.items()):
        if now - entry.seen_at >= STALE_SECONDS:
            del _cache[secret_hash]
    if len(_cache) >= CACHED_KEYS:
        _cache.clear()


async def _note_use(key_id: str, visit: _Visit) -> None:
    """Remember when, whence and with what the key was used. Not worth failing for."""
    use = {"key_id": key_id, "ip": visit.ip, "client": visit.client.replace("\x00", "")}
    try:
        await postgres.rows(USED, {**use, "last_used_seconds": LAST_USED_SECONDS})
    except DatabaseUnavailable:
        logger.info("the use of API key %s could not be noted", key_id)


def _in_background(work: Any) -> None:
    task: asyncio.Task[None] = asyncio.create_task(work)
    _background.add(task)  # the loop itself keeps only weak references
    task.add_done_callback(_background.discard)


class ApiKeyAuth(AuthBase):
    """Lets requests of the HTTP API in, and, given scopes, only those whose key has one of them.

    A killed agent may look, and change nothing: what the ledger refuses for sure, this refuses for all routes at once.
    """

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = "x-api-key"

    def __init__(self, *scopes: str, while_killed: bool = False) -> None:
        self.scopes = frozenset(scopes)
        self.while_killed = while_killed
        super().__init__()

    async def __call__(self, request: HttpRequest) -> Caller:
        origin.note(request.META)
        headers = {name: request.META[variable] for name, variable in _VARIABLES if variable in request.META}
        caller = await authenticate(headers, request.META.get("REMOTE_ADDR") or "")
        if self.scopes:
            caller.require(*sorted(self.scopes))
        if caller.is_killed and request.method not in READING and not self.while_killed:
            raise AgentKilled(f"{caller.address} is killed")
        return caller


_VARIABLES = (
    ("x-api-key", "HTTP_X_API_KEY"),
    ("authorization", "HTTP_AUTHORIZATION"),
    ("x-axme-client", "HTTP_X_AXME_CLIENT"),
    ("user-agent", "HTTP_USER_AGENT"),
)

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class ApiKeyMiddleware:
    """Tells websocket consumers who is there: `scope["caller"]`, or None and `scope["auth_error"]`, an error code."""

    def __init__(self, app: Asgi) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        caller, error = None, ""
        try:
            caller = await authenticate(headers, (scope.get("client") or ("",))[0] or "")
        except ApiError as refused:
            error = refused.code
        except DatabaseUnavailable:
            error = "service_unavailable"
        await self.app({**scope, "caller": caller, "auth_error": error}, receive, send)
