"""The way over a websocket: the fastest. What is said goes out with all else that waits to be said, in few frames."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from perdure import errors
from perdure.framing import ROOM, VERBS, Disconnected, Manner, Said, companies, settle, written
from perdure.runners import VERSION, Server
from perdure.ways import GREETING_SECONDS, Ended, Listener

log = logging.getLogger("perdure.agent")

#: What these close codes say will be the same the next time.
HOPELESS: dict[int, type[errors.ApiError]] = {
    1003: errors.BadRequest,
    4401: errors.Unauthenticated,
    4403: errors.Forbidden,
    4404: errors.AgentNotFound,
    4410: errors.Unauthenticated,
}
RESTARTING = 1012
BROKEN = 1006


class Connecting(connect):
    """Connects to where it is told to, and to nowhere else: it would take the key along to where a redirect leads."""

    def process_redirect(self, exc: Exception) -> Exception:
        """No redirect is one to follow."""
        return exc


class SocketWay:
    """Speaks with the server in frames."""

    has_frames = True

    def __init__(self, server: Server, hello: dict[str, Any], listener: Listener) -> None:
        self._server = server
        self._hello = {"type": "hello", "ref": 0, "client": f"perdure-python/{VERSION}", **hello}
        self._listener = listener
        self._socket: ClientConnection | None = None
        self._outbox: list[Said] = []
        self._unanswered: dict[int, list[Said]] = {}
        self._refs = count(1)
        self._something = asyncio.Event()
        self._is_closing = False
        self._is_welcome = False
        self.largest_frame = 262_144

    # -- the connection ---------------------------------------------------------------------------------------------

    async def connection(self) -> Ended:
        """One connection from its beginning to its end, and why it ended."""
        self._is_welcome = False
        try:
            async with Connecting(
                self.url,
                additional_headers={"x-api-key": self._server.api_key, **(self._server.headers or {})},
                user_agent_header=f"perdure/{VERSION}",
                compression=None,
                max_size=4 * 1024 * 1024,
                open_timeout=GREETING_SECONDS,
                ping_interval=10,
                ping_timeout=20,
                close_timeout=2,
            ) as socket:
                try:
                    await self._talk(socket)
                except ConnectionClosed:
                    pass
                finally:
                    self._down()
                return self._verdict(socket)
        except InvalidStatus as refused:
            status = refused.response.status_code
            why = f"HTTP {status}"
            refusal = errors.of_answer(status, None, text=f"{self.url}: {why}")
            return Ended(why, may_be_blocked=True, refusal=refusal)
        except InvalidURI as wrong:
            raise errors.BadRequest(str(wrong)) from None
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, ValueError) as error:
            return Ended(str(error) or type(error).__name__, may_be_blocked=not self._is_welcome)

    def _verdict(self, socket: ClientConnection) -> Ended:
        code, reason = socket.close_code or BROKEN, socket.close_reason or ""
        if (hopeless := HOPELESS.get(code)) is not None and not self._is_closing:
            raise hopeless(f"{self.url}: {reason or 'refused'}", code=reason.partition(" ")[0])
        if code == RESTARTING:
            return Ended("it is being restarted")
        is_broken = code in (BROKEN, 1002)
        return Ended(
            f"closed with {code} {reason}".strip(), may_be_blocked=is_broken and not self._is_welcome
        )

    async def _talk(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps(self._hello))
        welcome: dict[str, Any] = {}
        async with asyncio.timeout(GREETING_SECONDS):
            while welcome.get("type") != "welcome":
                welcome = json.loads(await socket.recv())
                if welcome.get("type") == "error":
                    error = welcome["error"]
                    raise errors.of_code(error["code"], error["message"])
        self.largest_frame = int(welcome.get("max_frame_bytes") or self.largest_frame)
        self._socket, self._is_welcome = socket, True
        self._listener.came_up(welcome)
        sender = asyncio.create_task(self._send_on(socket), name="perdure sender")
        try:
            async for text in socket:
                self._receive(json.loads(text))
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _down(self) -> None:
        self._listener.went_down()
        self._socket = None
        sent = [said for company in self._unanswered.values() for said in company]
        unsent, self._outbox, self._unanswered = self._outbox, [], {}
        for said, was_sent in [*((each, True) for each in sent), *((each, False) for each in unsent)]:
            if not said.answer.done():
                said.answer.set_exception(Disconnected(was_sent=was_sent))

    async def close(self) -> None:
        """Leave for good."""
        self._is_closing = True
        if (socket := self._socket) is not None:
            await socket.close()

    @property
    def url(self) -> str:
        """Where it connects to."""
        scheme, place, path, *_ = urlsplit(self._server.base_url)
        secure = "wss" if scheme in ("https", "wss") else "ws"
        return urlunsplit((secure, place, f"{path.rstrip('/')}/ws/agent", "", ""))

    # -- what is said -----------------------------------------------------------------------------------------------

    async def ask(self, verb: str, item: dict[str, Any], **shared: Any) -> dict[str, Any]:
        """What the server answers to one item: see `Link.ask`."""
        text, size = written(item, self.largest_frame - ROOM)
        manner = Manner(verb, "".join(f'"{name}":{json.dumps(value)},' for name, value in shared.items()))
        said = Said(manner, text, size, asyncio.get_running_loop().create_future())
        self._outbox.append(said)
        self._something.set()
        return await said.answer

    async def tell(self, frame: dict[str, Any]) -> None:
        """Say what wants no answer, if there is a connection."""
        if self._socket is not None:
            try:
                await self._socket.send(json.dumps(frame))
            except ConnectionClosed:
                return

    async def _send_on(self, socket: ClientConnection) -> None:
        """Send what there is to say. While one frame is on its way, the next ones gather."""
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                await asyncio.sleep(0)  # let those that are about to speak join
                said, self._outbox = self._outbox, []
                for company in companies(said, self.largest_frame - ROOM):
                    await self._send(socket, company)
        except ConnectionClosed:
            return  # the reader has seen it too

    async def _send(self, socket: ClientConnection, company: list[Said]) -> None:
        ref = next(self._refs)
        self._unanswered[ref] = company
        manner = company[0].manner
        # `shared` is per delivery for the server, and the same for all of a frame.
        items = ",".join(each.text[:1] + manner.shared + each.text[1:] for each in company)
        await socket.send(f'{{"type":"{manner.verb}","ref":{ref},"{VERBS[manner.verb]}":[{items}]}}')

    # -- what is heard ----------------------------------------------------------------------------------------------

    def _receive(self, frame: dict[str, Any]) -> None:
        ref = frame.get("ref")
        company = self._unanswered.pop(ref, None) if isinstance(ref, int) else None
        match frame.get("type"):
            case "result" if company is not None:
                for said, result in zip(company, frame["results"], strict=False):
                    settle(said, result)
            case "error" if company is not None:
                self._refused(company, frame["error"])
            case "error":
                log.error("the server did not understand: %s", frame.get("error"))
            case "ping" | "result":
                return
            case _:
                self._listener.hear(frame)

    def _refused(self, company: list[Said], error: dict[str, Any]) -> None:
        """A whole frame was refused: if for one bad item among others, these are not to suffer for it."""
        if len(company) > 1 and error["code"] in ("invalid_json", "invalid_frame"):
            for said in company:
                said.is_suspect = True
            self._outbox += company
            self._something.set()
            return
        for said in company:
            settle(said, {"ok": False, "error": error})
