"""So many requests a minute, per key and endpoint: counted in Valkey, whose absence stops nobody.

Streams are exempt (the edge does not ask for them): `listen()` reconnects as it pleases, and open streams have a limit
of their own.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic, time
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.caller import Caller
from agents.errors import RateLimited

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
#: How long Valkey may take, and how long we do without it once it failed.
PATIENCE_SECONDS = 0.25
DISTRUST_SECONDS = 5.0

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()
_distrusted_until = 0.0


async def check(caller: Caller, endpoint: str) -> dict[str, str]:
    """Count a request of this key to this endpoint; return the headers that say how many are left.

    Raises:
        RateLimited: none are left in this minute.
    """
    limit: int = settings.PERDURE_RATE_LIMIT_PER_MINUTE
    if limit <= 0:
        return {}
    now = time()
    window, elapsed = divmod(int(now), WINDOW_SECONDS)
    used = await _count(f"perdure:rate:{caller.key_id}:{endpoint}:{window}")
    if used is None:
        return {}
    resets_in = WINDOW_SECONDS - elapsed
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Reset": str(int(now) + resets_in),
    }
    if used > limit:
        raise RateLimited(
            f"more than {limit} requests a minute",
            retry_after=resets_in,
            details={"limit": limit, "retry_after": resets_in},
        )
    return headers


async def _count(counter: str) -> int | None:
    """Return how many there were in this window, this one included; None if Valkey does not say."""
    global _distrusted_until  # noqa: PLW0603  # one circuit breaker per process
    if monotonic() < _distrusted_until:
        return None
    try:
        async with _client().pipeline(transaction=False) as pipe:
            pipe.incr(counter)
            pipe.expire(counter, 2 * WINDOW_SECONDS)
            return int((await pipe.execute())[0])
    except (RedisError, OSError, TimeoutError) as error:
        _distrusted_until = monotonic() + DISTRUST_SECONDS
        logger.warning("rate limits are suspended for a while: %s", type(error).__name__)
        return None


def _client() -> Redis:
    """Return this event loop's client."""
    loop = asyncio.get_running_loop()
    if (found := _clients.get(loop)) is None:
        found = _clients[loop] = Redis.from_url(
            settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
        )
    return found


async def close() -> None:
    """Close this event loop's client; the next check opens another."""
    if (found := _clients.pop(asyncio.get_running_loop(), None)) is not None:
        await found.aclose()
