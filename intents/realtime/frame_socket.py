"""A websocket that speaks JSON frames: who is there, one answer for each frame, an orderly end.

What the frames mean is for those who inherit from it. Frames are served side by side, so that what one connection
sends quickly is written in company; a client that sends faster than that is read more slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from uuid import UUID

import orjson
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from agents import documents
from agents.caller import Caller
from agents.errors import ApiError
from agents.postgres import DatabaseUnavailable
from intents.realtime import frames, runtime
from intents.realtime.frames import BadFrame, CloseCode
from intents.realtime.mailbox import Closing

logger = logging.getLogger(__name__)

#: The most frames of one connection that are served at the same time; then it is read no further.
MOST_AT_ONCE = 256
#: Frames after which the agent still has the deliveries that they are about.
KEEPING = frames.Acknowledge | frames.Extend | frames.Checkpoint | frames.Report


class FrameSocket(AsyncWebsocketConsumer):
    """One connection, from its first frame to its last."""

    #: frame → what serves it
    handlers: ClassVar[dict[type, Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the connection.

        Channels' own loop makes a task of each message and a trip to a thread after it, to look after the ORM's
        connections; nothing here uses those.
        """
        self.scope, self.base_send, self.channel_layer = scope, _while_there(send), None
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            if hasattr(self, "guest"):
                self.leave()

    async def dispatch(self, message: Any) -> None:
        match message["type"]:
            case "websocket.receive":
                await self.receive(message.get("text"), message.get("bytes"))
            case "websocket.connect":
                await self.connect()
            case "websocket.disconnect":
                raise StopConsumer

    # -- coming and going -------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        #: intent → the frames about it that are being served, and are not to be overtaken by the one that ends it
        self.busy: dict[UUID, set[asyncio.Task[None]]] = {}
        self.guest: _Guest | None = None
        caller: Caller | None = self.scope["caller"]
        await self.accept()
        if caller is None:
            error = self.scope["auth_error"]
            code = CloseCode.TRY_AGAIN if error == "service_unavailable" else CloseCode.UNAUTHENTICATED
            await self.close(code, error)
            return
        self.here = runtime.current()
        if self.here.is_draining:
            await self.close(CloseCode.RESTARTING)
            return
        self.caller = caller
        self.guest = _Guest(self)
        self.here.welcome(caller.key_id, self.guest)

    def leave(self) -> None:
        """The connection is over."""
        if self.guest is not None:
            self.here.see_off(self.caller.key_id, self.guest)
        for task in self.tasks:
            if task.get_name() != "frame":  # what was asked for is still done
                task.cancel()

    def close_down(self, closing: Closing) -> None:
        """The connection is to end from this side."""
        self.spawn(self.hang_up(closing), "frame")

    async def hang_up(self, closing: Closing) -> None:
        """End the connection from this side."""
        if closing is Closing.REVOKED:
            await self.close(CloseCode.REVOKED, "the API key has been revoked")
        else:
            await self.close(CloseCode.RESTARTING, "the server is being restarted")

    # -- frames in --------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.guest is None:
            return
        if text_data is None:
            await self.close(CloseCode.UNSUPPORTED_DATA, "frames are text")
            return
        content = text_data.encode()
        if len(content) > frames.LARGEST_FRAME:
            await self.close(CloseCode.TOO_BIG, f"a frame has at most {frames.LARGEST_FRAME} bytes")
            return
        try:
            frame = frames.parse(documents.parse(content))
        except BadFrame as error:
            await self.refuse(error.ref, error.code, error.message)
            return
        except ApiError as error:
            await self.refuse(frames.readable_ref(content), "invalid_json", error.message)
            return
        if isinstance(frame, frames.Hello):
            await self.serve(self.handler_of(frame), frame)  # nothing else makes sense before it is done
            return
        if self.is_idle_talk(frame):
            return
        while len(self.tasks) > MOST_AT_ONCE:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        concerned = frames.about(frame)
        if isinstance(frame, KEEPING):
            # These wait for nothing: what they write goes the same way, and stays in the order in which it came.
            task = self.spawn(self.serve_keeping(concerned, frame), "frame")
            for intent_id in concerned:
                self.busy.setdefault(intent_id, set()).add(task)
        else:
            earlier = {task for each in concerned for task in self.busy.get(each, ())} if self.busy else set()
            self.spawn(self.serve_after(earlier, frame), "frame")

    def handler_of(self, frame: frames.Incoming) -> Callable[[Any], Awaitable[None]]:
        handler: Callable[[Any], Awaitable[None]] = self.handlers[type(frame)].__get__(self)
        return handler

    def is_idle_talk(self, frame: frames.Incoming) -> bool:
        """Whether nothing has to be done about this frame: that it came is all."""
        return isinstance(frame, frames.Pong)

    async def serve_after(self, earlier: set[asyncio.Task[None]], frame: Any) -> None:
        """Serve a frame, but not before earlier ones about the same deliveries."""
        if earlier:
            await asyncio.wait(earlier)
        await self.serve(self.handler_of(frame), frame)

    async def serve_keeping(self, concerned: list[UUID], frame: Any) -> None:
        """Serve a frame after which the agent still has its deliveries."""
        try:
            await self.serve(self.handler_of(frame), frame)
        finally:
            for intent_id in set(concerned):
                serving = self.busy[intent_id]
                serving.discard(asyncio.current_task())
                if not serving:
                    del self.busy[intent_id]

    async def serve(self, handler: Callable[[Any], Awaitable[None]], frame: Any) -> None:
        """Do what a frame asks; what goes wrong is an answer."""
        try:
            await handler(frame)
        except BadFrame as error:
            await self.refuse(frame.ref, error.code, error.message)
        except ApiError as error:
            await self.refuse(frame.ref, error.code, error.message)
        except DatabaseUnavailable:
            await self.refuse(frame.ref, "unavailable", "the database is away; try again in a second")
        except Exception:
            logger.exception("a frame of type %s failed", frame.type)
            await self.refuse(frame.ref, "internal_error", "something went wrong")

    # -- frames out -------------------------------------------------------------------------------------------

    async def send_results(self, ref: Any, results: list[dict[str, Any]]) -> None:
        """Say what became of a frame, to whoever asked by a ref, or if something did not go well."""
        is_ok = all(result["ok"] for result in results)
        if ref is not None or not is_ok:
            await self.send_frame({"type": "result", "ref": ref, "ok": is_ok, "results": results})

    async def refuse(self, ref: Any, code: str, message: str) -> None:
        await self.send_frame({"type": "error", "ref": ref, "error": {"code": code, "message": message}})

    async def send_frame(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(frame, option=orjson.OPT_UTC_Z).decode())

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def _while_there(send: Any) -> Any:
    """Send, unless the connection is over: then nobody hears it, and what it held has gone back."""

    async def send_quietly(message: Any) -> None:
        with contextlib.suppress(RuntimeError, OSError):
            await send(message)

    return send_quietly


class _Guest:
    """Ends the connection when its key is revoked, or the process ends."""

    def __init__(self, socket: FrameSocket) -> None:
        self._socket = socket

    def close(self, closing: Closing) -> None:
        self._socket.close_down(closing)


def described(error: ApiError) -> dict[str, Any]:
    """An error as frames have it."""
    return {"code": error.code, "message": error.message, "details": error.details}
