"""The ASGI application that the web processes serve."""

import os
from typing import Any

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")

django.setup(set_prefix=False)  # first: what follows needs that

from controlplane.bodies import Receive, Scope, Send  # noqa: E402
from controlplane.lifespan import lifespan  # noqa: E402
from controlplane.pages_handler import PagesHandler  # noqa: E402
from controlplane.proxied import behind_proxies  # noqa: E402
from controlplane.routing import websocket  # noqa: E402
from controlplane.v1_handler import V1Handler  # noqa: E402

#: First path segments that the fast handler serves; all else is pages.
EDGE = frozenset({"v1", "health", "healthz", "live", "metrics"})

edge = V1Handler()
pages = PagesHandler()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Give the API, live fragments, health and metrics to the fast handler, and the pages to Django's own."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    handler: Any = edge if path[1:].partition("/")[0] in EDGE else pages
    await handler(scope, receive, send)


application = behind_proxies(
    ProtocolTypeRouter({"http": http, "websocket": websocket, "lifespan": lifespan}),
    prefix=settings.PERDURE_PATH_PREFIX,
    trusted=settings.PERDURE_TRUSTED_PROXIES,
)
