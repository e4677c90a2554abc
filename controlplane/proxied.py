"""What a proxy in front changes: where Perdure is found, and who is asking.

Where: below `PERDURE_PATH_PREFIX`, whether the proxy passes the prefix on or takes it away; probes that come without
it are served too. Who: `X-Forwarded-For` and `X-Forwarded-Proto` are believed from the addresses in
`PERDURE_TRUSTED_PROXIES`, and from nobody else. The same under every ASGI server, as no server is asked to do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from controlplane.bodies import Receive, Scope, Send


class Placed:
    """Serves an application below a path prefix; "" is no prefix."""

    def __init__(self, application: Any, prefix: str) -> None:
        self.application = application
        self.prefix = prefix
        self.beginning = f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            # Always: some servers let any client name the root path in a header.
            scope["root_path"] = self.prefix
            path: str = scope["path"]
            if self.prefix and not path.startswith(self.beginning):
                scope["path"] = self.beginning if path == self.prefix else self.prefix + path
        await self.application(scope, receive, send)


def behind_proxies(application: Any, *, prefix: str, trusted: Sequence[str]) -> Any:
    """The application, as it is reached through the proxies."""
    placed: Any = Placed(application, prefix)
    return ProxyHeadersMiddleware(placed, trusted_hosts=list(trusted)) if trusted else placed
