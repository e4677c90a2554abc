"""Machines of their own for some processes: network namespaces, tied to ours by links whose cables can be pulled.

Only where we are root, on Linux, with iproute2 and util-linux; elsewhere `missing()` says what there is not, and the
proxy freezes connections instead. What is pulled sends neither FIN nor RST: packets are gone, connections stay.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.servers import wait_until

PREFIX = "perdure-"
#: Addresses that are set aside for measurements within one's own walls: nothing outside answers to them.
ADDRESSES = ipaddress.ip_network("198.18.0.0/15")
TOOLS = ("ip", "nsenter")


@dataclass(frozen=True)
class Link:
    """A cable between us and a namespace, each end with an address."""

    space: str
    device: str
    ours: str
    theirs: str

    def pull(self) -> None:
        _run("ip", "-n", self.space, "link", "set", f"{self.device}n", "down")

    def plug(self) -> None:
        _run("ip", "-n", self.space, "link", "set", f"{self.device}n", "up")

    def is_dead(self) -> bool:
        """Whether our end says that nobody is at the other one; it takes up to a second to know."""
        told = _run("ip", "-o", "link", "show", "dev", f"{self.device}h")
        return "NO-CARRIER" in told or "LOWERLAYERDOWN" in told


class Spaces:
    """The namespaces of one run."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._numbers = itertools.count()

    def link(self, space: str) -> Link:
        """Another cable to a namespace, which is made if there is none of that name."""
        name = f"{PREFIX}{os.getpid()}-{space}"
        if name not in self._names:
            _run("ip", "netns", "add", name)
            self._names.append(name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        number = next(self._numbers)
        device = f"pd{os.getpid() % 10**6}x{number}"
        # Runs at the same time do not share addresses: four for each link, 64 links for each process number.
        first = (os.getpid() * 64 + number) * 4 % ADDRESSES.num_addresses
        link = Link(name, device, str(ADDRESSES[first + 1]), str(ADDRESSES[first + 2]))
        _run("ip", "link", "add", f"{device}h", "type", "veth", "peer", "name", f"{device}n", "netns", name)
        _run("ip", "address", "add", f"{link.ours}/30", "dev", f"{device}h")
        _run("ip", "-n", name, "address", "add", f"{link.theirs}/30", "dev", f"{device}n")
        _run("ip", "link", "set", f"{device}h", "up")
        link.plug()
        return link

    def close(self) -> None:
        """Take all of them away; the cables go with them."""
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        self._names.clear()

    def missing(self) -> str:
        """What this machine lacks to have namespaces; empty if nothing."""
        if not sys.platform.startswith("linux"):
            return "this is not Linux"
        if os.getuid() != 0:
            return "network namespaces need root"
        for tool in TOOLS:
            if shutil.which(tool) is None:
                return f"there is no program {tool}"
        try:
            _forget_the_dead()
            _try(self.link("tried"))
        except subprocess.CalledProcessError as error:
            return str(error.stderr).strip() or repr(error)
        finally:
            self.close()
        return ""


def entering(link: Link, command: list[str]) -> list[str]:
    """The command that runs this one in the link's namespace, as the same process."""
    return ["nsenter", f"--net=/run/netns/{link.space}", "--", *command]


def _try(link: Link) -> None:
    """Reach us from there, as agents and web processes will.

    Raises:
        CalledProcessError: that does not work.
    """
    with socket.create_server((link.ours, 0)) as listener:
        reach = f"import socket; socket.create_connection({listener.getsockname()!r}, timeout=10).close()"
        _run(*entering(link, [sys.executable, "-c", reach]))


@contextmanager
def pulled(*links: Link) -> Iterator[None]:
    """Without these cables for a while.

    Raises:
        AssertionError: one is still alive when it has been pulled.
    """
    try:
        for link in links:
            link.pull()
        wait_until(lambda: all(link.is_dead() for link in links), 20, "the cables are dead")
        yield
    finally:
        for link in links:
            link.plug()


def _forget_the_dead() -> None:
    """Take away what runs have left that were killed."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not psutil.pid_exists(int(owner)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", name)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
