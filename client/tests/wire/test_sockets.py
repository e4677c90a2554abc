"""What is said over a websocket before there is one, and to whom."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Server as Listening, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from perdure.runners import Server
from perdure.socket_way import SocketWay

KEY = "axme_sa_test.secret"


class Unheard:
    """Whom nothing is said to, as nothing comes up."""

    def came_up(self, welcome: Any) -> None:
        raise AssertionError(welcome)

    def went_down(self) -> None:
        raise AssertionError

    def hear(self, frame: dict[str, Any]) -> None:
        raise AssertionError(frame)


class Answering:
    """Answers who wants a websocket with a status, and knows who did."""

    def __init__(self, status: HTTPStatus, location: str = "") -> None:
        self.status, self.location = status, location
        self.asked: list[Headers] = []

    def listen(self) -> serve:
        async def refuse(_: ServerConnection) -> None:
            raise AssertionError("nobody gets as far as that")

        return serve(refuse, "127.0.0.1", 0, process_request=self._answer)

    def _answer(self, connection: ServerConnection, request: Request) -> Response:
        self.asked.append(request.headers)
        headers = Headers({"Location": self.location, "Content-Length": "0"})
        return Response(self.status, "", headers, b"")


def port_of(listening: Listening) -> int:
    port: int = next(iter(listening.sockets)).getsockname()[1]
    return port


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("there", ["localhost", "127.0.0.1"])
async def test_redirects_are_not_followed_and_so_no_key_goes_elsewhere(status: int, there: str) -> None:
    elsewhere = Answering(HTTPStatus.FORBIDDEN)
    async with elsewhere.listen() as listening:
        here = Answering(HTTPStatus(status), f"ws://{there}:{port_of(listening)}/ws/agent")
        async with here.listen() as listening_here:
            way = SocketWay(Server(f"http://127.0.0.1:{port_of(listening_here)}", KEY), {}, Unheard())
            ended = await way.connection()

    assert ended.why == f"HTTP {status}"
    assert [headers["x-api-key"] for headers in here.asked] == [KEY]
    assert elsewhere.asked == []
