"""One real server for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure import Client
from support.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("home"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, server.key) as found:
        yield found
