"""The listening socket, which the supervisor opens once and all web processes accept from."""

import contextlib
import socket
import sys

BACKLOG = 4096
#: A peer that is gone without a word is noticed within 30 s: when nothing is under way by three probes, 5 s apart,
#: after 15 s of silence; when something is, and streams write every 10 s, 20 s after the first byte nobody took.
SILENCE_SECONDS = 15
PROBE_SECONDS = 5
PROBES = 3
UNACKNOWLEDGED_MILLISECONDS = 20_000


class PortTaken(Exception):
    """Somebody else listens there."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket; what it accepts inherits its options. Port 0 takes any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        notice_silent_deaths(listener)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(f"Cannot listen on {host} port {port}: {error.strerror}.") from error
    return listener


def notice_silent_deaths(listener: socket.socket) -> None:
    """Set what accepted sockets inherit; also for a listener that somebody else has opened."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    values = {
        idle: SILENCE_SECONDS,
        "TCP_KEEPINTVL": PROBE_SECONDS,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": UNACKNOWLEDGED_MILLISECONDS,
    }
    for name, value in values.items():
        with contextlib.suppress(AttributeError):  # the last is Linux's alone
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
