"""A revoked key opens nothing any more within a second, and what it had open ends."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live import Account, Operator
from tests.servers import Perdure, wait_until

#: A second, and something for a busy machine.
PROMPTLY = 2.0


@pytest.mark.parametrize("web", [0, 1], ids=["where it is revoked", "elsewhere"])
def test_open_streams_and_sockets_end_with_their_key(
    commons: Perdure, operator: Operator, worker: Account, web: int
) -> None:
    base_url = commons.web[web].base_url
    intent_id = operator.submit(operator.register())
    paths = (
        f"/v1/agents/{worker.name}/intents/stream?wait_seconds=60",
        f"/v1/agents/{worker.name}/intents/stream?wait_seconds=60&hold=1",
        f"/v1/intents/{intent_id}/events/stream?wait_seconds=60",
    )
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=base_url, headers=worker.headers, timeout=30))
        streams = [stack.enter_context(http.stream("GET", path)) for path in paths]
        socket = stack.enter_context(
            connect(base_url.replace("http", "ws") + "/ws/agent", additional_headers=worker.headers)
        )
        socket.send(json.dumps({"type": "hello", "address": worker.address}))
        socket.recv(5)
        operator.revoke(worker)
        revoked = time.monotonic()
        for stream in streams:
            assert stream.status_code == 200
            stream.read()
        closed = _end_of(socket)

        assert time.monotonic() - revoked < PROMPTLY
    assert closed.rcvd is not None
    assert closed.rcvd.code == 4410
    assert _status(base_url, worker) == 401


def test_a_revoked_key_is_refused_everywhere_within_a_second(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    for web in commons.web:
        assert _status(web.base_url, worker) == 200
    operator.revoke(worker)

    wait_until(
        lambda: {_status(web.base_url, worker) for web in commons.web} == {401},
        PROMPTLY,
        "the key is refused",
    )


def _end_of(socket: ClientConnection) -> ConnectionClosed:
    """How the connection ends, after whatever else it says."""
    try:
        while True:
            socket.recv(5)
    except ConnectionClosed as closed:
        return closed


def _status(base_url: str, worker: Account) -> int:
    return httpx.get(f"{base_url}/v1/me", headers=worker.headers).status_code
