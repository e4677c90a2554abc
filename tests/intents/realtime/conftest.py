"""The shared Perdure, its operator, and an agent that is nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.intents.realtime.sockets import Socket
from tests.live import Account, Operator
from tests.servers import Perdure

Connect = Callable[..., Socket]


@pytest.fixture(scope="module")
def operator(commons: Perdure) -> Iterator[Operator]:
    with Operator.of(commons) as operator:
        yield operator


@pytest.fixture
def worker(operator: Operator) -> Account:
    return operator.register()


@pytest.fixture(scope="session")
def rivals(commons: Perdure) -> Iterator[Operator]:
    """The operator of another organization."""
    with Operator.of_another_tenant(commons) as rivals:
        yield rivals


@pytest.fixture
def connect(commons: Perdure) -> Iterator[Connect]:
    """Opens websockets that are closed when the test is over."""
    with ExitStack() as stack:

        def connect(key: str = "", *, web: int = 0, **headers: str) -> Socket:
            return stack.enter_context(Socket(commons.web[web].base_url, key, **headers))

        yield connect
