"""An agent's websocket: kept open, whatever happens, and spoken to in frames that carry many items each.

`Link` knows frames, not work: what is said goes out with all else that waits to be said, and is answered one by one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from perdure import errors
from perdure.plans import Policy
from perdure.runners import VERSION, Server

log = logging.getLogger("perdure.agent")

#: In this order they leave: what begins or saves work goes before what ends it.
VERBS = {
    "acknowledge": "deliveries",
    "extend": "deliveries",
    "checkpoint": "items",
    "report": "items",
    "complete": "deliveries",
    "fail": "deliveries",
}
LARGEST_COMPANY = 500
#: What a frame has beside its items, generously.
FRAME_ROOM = 512
#: How long the server may take for its half of a greeting.
GREETING_SECONDS = 10.0
#: What these close codes say will be the same the next time.
HOPELESS: dict[int, type[errors.ApiError]] = {
    1003: errors.BadRequest,
    4401: errors.Unauthenticated,
    4403: errors.Forbidden,
    4404: errors.AgentNotFound,
    4410: errors.Unauthenticated,
}
RESTARTING = 1012


#: How deep an item may be nested: a frame may be by 64, of which it takes two itself.
DEEPEST = 62
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


class Disconnected(Exception):
    """The connection broke before there was an answer. What was sent may have been done all the same."""

    def __init__(self, *, was_sent: bool) -> None:
        super().__init__("the connection to the server is broken")
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Manner:
    """What items must have in common to share a frame."""

    verb: str
    shared: str = ""


@dataclass(slots=True)
class Said:
    """An item that was said, and what is to come of it."""

    manner: Manner
    text: str
    size: int
    answer: asyncio.Future[dict[str, Any]] = field(repr=False)
    #: a frame that it was in was refused: now it goes alone
    is_suspect: bool = False


class Link:
    """One agent's connection; when it breaks, the next one. `epoch` counts them."""

    def __init__(
        self,
        server: Server,
        hello: dict[str, Any],
        *,
        on_frame: Callable[[dict[str, Any]], None],
        on_up: Callable[[dict[str, Any]], None],
    ) -> None:
        self._server = server
        self._hello = {"type": "hello", "ref": 0, "client": f"perdure-python/{VERSION}", **hello}
        self._on_frame = on_frame
        self._on_up = on_up
        self._policy = Policy()
        self._socket: ClientConnection | None = None
        self._outbox: list[Said] = []
        self._unanswered: dict[int, list[Said]] = {}
        self._refs = count(1)
        self._something = asyncio.Event()
        self._is_closing = False
        self.epoch = 0
        self.up = asyncio.Event()
        self.largest_frame = 262_144

    # -- the connection ---------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Stay connected until `close`.

        Raises:
            errors.Unauthenticated, errors.Forbidden, errors.AgentNotFound: coming again would change nothing.
        """
        failures = 0
        while not self._is_closing:
            epoch = self.epoch
            why = await self._connection()
            if self._is_closing:
                return
            failures = 0 if self.epoch != epoch else failures + 1
            pause = self._policy.pause(failures)
            log.warning("the connection to %s is down (%s), next try in %.1f s", self.url, why, pause)
            await asyncio.sleep(pause)

    async def _connection(self) -> str:
        """One connection from its beginning to its end, and why it ended."""
        try:
            async with connect(
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
            if status in (401, 403, 404):
                raise errors.of_answer(status, None, text=f"{self.url}: HTTP {status}") from None
            return f"HTTP {status}"
        except InvalidURI as wrong:
            raise errors.BadRequest(str(wrong)) from None
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, ValueError) as error:
            return str(error) or type(error).__name__

    def _verdict(self, socket: ClientConnection) -> str:
        code, reason = socket.close_code or 1006, socket.close_reason or ""
        if (hopeless := HOPELESS.get(code)) is not None and not self._is_closing:
            raise hopeless(f"{self.url}: {reason or 'refused'}", code=reason.partition(" ")[0])
        return "it is being restarted" if code == RESTARTING else f"closed with {code} {reason}".strip()

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
        self._socket = socket
        self.epoch += 1
        self.up.set()
        self._on_up(welcome)
        sender = asyncio.create_task(self._send_on(socket), name="perdure sender")
        try:
            async for text in socket:
                self._receive(json.loads(text))
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _down(self) -> None:
        self.up.clear()
        self._socket = None
        sent = [said for company in self._unanswered.values() for said in company]
        unsent, self._outbox, self._unanswered = self._outbox, [], {}
        for said, was_sent in [*((each, True) for each in sent), *((each, False) for each in unsent)]:
            if not said.answer.done():
                said.answer.set_exception(Disconnected(was_sent=was_sent))

    async def close(self) -> None:
        """Say what is left to be said, and leave for good."""
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
        """What the server answers to one item.

        Raises:
            Disconnected: there is no connection, or there was none any more.
            errors.ApiError: it refused this item.
            errors.PayloadTooLarge, errors.Invalid: it cannot be sent.
        """
        if not self.up.is_set():
            raise Disconnected(was_sent=False)
        try:
            text = json.dumps(item, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
            size = len(text.encode())
            _refuse_what_spoils_a_frame(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise errors.Invalid(f"it cannot be sent as JSON: {error}", code="not_json") from error
        if size > self.largest_frame - FRAME_ROOM:
            limit = self.largest_frame - FRAME_ROOM
            raise errors.PayloadTooLarge(
                f"it has {size} bytes of JSON, and may have {limit}", code="payload_too_large"
            )
        manner = Manner(verb, "".join(f'"{name}":{json.dumps(value)},' for name, value in shared.items()))
        said = Said(manner, text, size, asyncio.get_running_loop().create_future())
        self._outbox.append(said)
        self._something.set()
        return await said.answer

    async def tell(self, frame: dict[str, Any]) -> None:
        """Send a frame that wants no answer, if there is a connection."""
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
                for company in companies(said, self.largest_frame - FRAME_ROOM):
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
                    _settle(said, result)
            case "error" if company is not None:
                self._refused(company, frame["error"])
            case "error":
                log.error("the server did not understand: %s", frame.get("error"))
            case "ping" | "result":
                return
            case _:
                self._on_frame(frame)

    def _refused(self, company: list[Said], error: dict[str, Any]) -> None:
        """A whole frame was refused: if for one bad item among others, these are not to suffer for it."""
        if len(company) > 1 and error["code"] in ("invalid_json", "invalid_frame"):
            for said in company:
                said.is_suspect = True
            self._outbox += company
            self._something.set()
            return
        for said in company:
            _settle(said, {"ok": False, "error": error})


def _refuse_what_spoils_a_frame(text: str) -> None:
    """The server refuses such frames unread: with all else that is in them, and without saying whose fault it is."""
    if "\\u0000" in text and NUL.search(text):
        raise ValueError("it contains the character U+0000")
    if text.count("{") + text.count("[") <= DEEPEST:
        return
    depth = 0
    for mark in STRINGS.sub("", text):
        depth += (mark in "{[") - (mark in "}]")
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")


def _settle(said: Said, result: dict[str, Any]) -> None:
    if said.answer.done():
        return
    if result.get("ok"):
        said.answer.set_result(result)
        return
    error = result.get("error") or {}
    said.answer.set_exception(
        errors.of_code(error.get("code", ""), error.get("message", ""), details=error.get("details"))
    )


def companies(said: list[Said], room: int) -> list[list[Said]]:
    """What was said, in as few frames as can be: those of one manner together, in the order of `VERBS`."""
    by_manner: dict[Manner, list[Said]] = {}
    for each in said:
        if not each.answer.done():
            by_manner.setdefault(each.manner, []).append(each)
    frames: list[list[Said]] = []
    order = list(VERBS)
    for manner in sorted(by_manner, key=lambda manner: order.index(manner.verb)):
        company: list[Said] = []
        size = 0
        for each in by_manner[manner]:
            more = each.size + len(manner.shared) + 1
            is_full = len(company) == LARGEST_COMPANY or size + more > room
            if company and (is_full or each.is_suspect):
                frames.append(company)
                company, size = [], 0
            company.append(each)
            size += more
        frames.append(company)
    return frames
