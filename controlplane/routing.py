"""The websocket addresses, and who may open one."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from channels.routing import URLRouter
from django.urls import re_path

from agents.auth import ApiKeyMiddleware
from controlplane.bodies import Receive, Scope, Send
from intents.realtime.agent_socket import AgentSocket

#: Close code for a socket that was opened where there is none.
NO_SUCH_SOCKET = 4404
FOREIGN_ORIGIN = 4403


class SameOrigin:
    """Refuses browsers that come from somebody else's page. Agents send no Origin, and pass."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and _host_of(origin) != headers.get(b"host", b"").decode("latin1").lower():
            await send({"type": "websocket.close", "code": FOREIGN_ORIGIN})
            return
        await self.application(scope, receive, send)


def _host_of(origin: bytes) -> str | None:
    try:
        return urlsplit(origin.decode("latin1")).netloc.lower() or None
    except ValueError:
        return None


async def no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Closes what was opened at an address that has no socket."""
    await send({"type": "websocket.close", "code": NO_SUCH_SOCKET})


websocket_urlpatterns: list[Any] = [
    re_path(r"^ws/agent$", AgentSocket.as_asgi()),
    re_path(r"", cast(Any, no_such_socket)),  # last: what nothing above has taken
]

websocket = SameOrigin(ApiKeyMiddleware(URLRouter(websocket_urlpatterns)))
