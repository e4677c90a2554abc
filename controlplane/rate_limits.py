"""So many requests a minute for each key and route, if the installation wants that; free of cost if not."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from agents import rate_limit
from agents.auth import ApiKeyAuth
from agents.errors import Unauthenticated

any_key = ApiKeyAuth(while_killed=True)  # whether a killed agent may, the route says


async def spend(request: HttpRequest, route: str) -> dict[str, str]:
    """Count the request; return the headers that say how many are left.

    Streams are not counted: clients reconnect them all the time, and open ones have a limit of their own. Nor are
    requests without a key: they are refused, or ask for what is public.

    Raises:
        RateLimited: none are left in this minute.
    """
    if not settings.PERDURE_RATE_LIMIT_PER_MINUTE or route.endswith("/stream"):
        return {}
    try:
        caller = await any_key(request)
    except Unauthenticated:
        return {}
    return await rate_limit.check(caller, f"{request.method} {route}")
