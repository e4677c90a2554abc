"""The shared Perdure, its operator, and an agent that is nobody else's; or a dispatcher of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import httpx
import pytest

from agents.models import Agent
from intents.realtime.dispatcher import Dispatcher
from intents.realtime.observer import Observer
from tests.intents.factories import make_recipient
from tests.intents.realtime.loops import close_everything
from tests.intents.realtime.sockets import Socket
from tests.intents.realtime.streams import BUFFERED, INCREMENTAL, Open, Reader, new_process, reading
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


@pytest.fixture
def socket(connect: Connect, worker: Account) -> Socket:
    """The worker's connection, which takes ten deliveries at a time."""
    socket = connect(worker.key)
    socket.hello(worker, max_in_flight=10)
    return socket


@pytest.fixture
def client(commons: Perdure, worker: Account) -> Iterator[httpx.Client]:
    """The worker's process, which reads as curl does."""
    with new_process(commons, worker) as client:
        yield client


@pytest.fixture
def curl(worker: Account, client: httpx.Client) -> Open:
    """A reader that parses only when the stream has ended."""

    def curl(
        query: str = "", *, client: httpx.Client = client, **headers: str
    ) -> AbstractContextManager[Reader]:
        return reading(client, f"/v1/agents/{worker.name}/intents/stream?{query}", **{**BUFFERED, **headers})

    return curl  # type: ignore[return-value]


@pytest.fixture
def listen(worker: Account, client: httpx.Client) -> Open:
    """A reader that handles each frame as it comes."""

    def listen(
        query: str = "", *, client: httpx.Client = client, **headers: str
    ) -> AbstractContextManager[Reader]:
        return reading(
            client, f"/v1/agents/{worker.name}/intents/stream?{query}", **{**INCREMENTAL, **headers}
        )

    return listen  # type: ignore[return-value]


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_recipient()


@pytest.fixture
async def dispatcher(transactional_db: None) -> AsyncIterator[Dispatcher]:
    """A dispatcher of this process, with its observer."""
    observer = Observer()
    dispatcher = Dispatcher(observer)
    observer.start()
    dispatcher.start()
    yield dispatcher
    await dispatcher.stop()
    await observer.stop()
    await close_everything()
