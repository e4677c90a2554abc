"""One web process: `python -m controlplane.web`, on uvicorn or daphne, on a socket of its own or one handed down."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")

import django
import uvicorn
from django.conf import settings

from controlplane import lifeline
from controlplane.leaving import Leaving, admit_the_last, linger
from controlplane.listener import BACKLOG, listen, notice_silent_deaths
from controlplane.turns import GatheringProtocol

#: Frames hold 256 KiB at most. The application says so politely, so the server lets a little more through.
LARGEST_FRAME = 256 * 1024 + 16 * 1024
DRAIN_SECONDS = 5
#: Longer than clients keep idle connections, so that it is they who close them.
KEEP_ALIVE_SECONDS = 75


class UvicornServer(uvicorn.Server):
    """Uvicorn, which lets nobody down who is inside, and ends the streams before it waits for their end."""

    def __init__(self, config: uvicorn.Config, leaving: Leaving, *, shares_listener: bool) -> None:
        super().__init__(config)
        self.leaving = leaving
        self.shares_listener = shares_listener

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.leaving.has_begun = True
        for listener in sockets or []:
            if not self.shares_listener:
                await admit_the_last(listener)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await linger(lambda: bool(self.server_state.connections))
        await drain()
        await super().shutdown(sockets)


async def drain() -> None:
    """Let streams say goodbye and give their leases back, unless that takes too long."""
    from controlplane import lifespan  # belongs to the application, which needs the settings

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(lifespan.drain(), DRAIN_SECONDS)


def serve_with_uvicorn(application: Any, listener: socket.socket, *, shares_listener: bool) -> None:
    leaving = Leaving(application)
    config = uvicorn.Config(
        leaving,
        loop="uvloop",
        http=GatheringProtocol,
        ws="websockets-sansio",
        ws_ping_interval=None,  # clients of sockets send heartbeats, and the listener's keepalive finds the dead
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        proxy_headers=False,  # the application asks who may say so: controlplane/proxied.py
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    UvicornServer(config, leaving, shares_listener=shares_listener).run(sockets=[listener])


def serve_with_daphne(application: Any, listener: socket.socket, *, shares_listener: bool) -> None:
    # Importing daphne installs Twisted's reactor, which nothing else wants.
    from daphne.server import Server
    from twisted.internet import defer

    class DaphneServer(Server):
        """Daphne, which ends the streams before it cancels what still runs."""

        def kill_all_applications(self) -> Any:
            drained = defer.Deferred.fromFuture(asyncio.ensure_future(drain()))
            return drained.addBoth(lambda _: super(DaphneServer, self).kill_all_applications())

    DaphneServer(
        application,
        endpoints=[f"fd:fileno={listener.fileno()}"],
        websocket_max_frame_size=LARGEST_FRAME,
        websocket_max_message_size=LARGEST_FRAME,
        websocket_timeout=-1,
        server_name="perdure",
    ).run()


SERVERS = {"uvicorn": serve_with_uvicorn, "daphne": serve_with_daphne}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fd", type=int, help="the descriptor of a listening socket, instead of host and port"
    )
    options = parser.parse_args()
    held = lifeline.hold()
    django.setup()
    from controlplane.asgi import application  # needs the settings

    held.wait_at_gate()
    if options.fd is None:
        listener = listen(settings.PERDURE_HOST, settings.PERDURE_PORT)
    else:
        listener = socket.socket(fileno=options.fd)
        notice_silent_deaths(listener)
    SERVERS[settings.PERDURE_SERVER](application, listener, shares_listener=options.fd is not None)


if __name__ == "__main__":
    main()
