"""The websocket of agents and submitters: deliveries go down; results, heartbeats and new intents come up.

docs/websocket.md has every frame. Frames are served side by side, so that what one connection sends quickly is
written in company; a client that sends faster than that is read more slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import orjson
import psycopg
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from agents import documents
from agents.caller import Caller
from agents.errors import ApiError, Forbidden
from agents.models import Scope, Transport
from agents.postgres import DatabaseUnavailable
from intents import coalescer, intake, reading
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.operations import Done, Ending, Hold, Lease, Release, Row
from intents.realtime import frames, runtime
from intents.realtime.frames import BadFrame, CloseCode
from intents.realtime.mailbox import Closing, Mailbox, Visitor
from intents.realtime.reception import agent_for

logger = logging.getLogger(__name__)

#: The most frames of one connection that are served at the same time; then it is read no further.
MOST_AT_ONCE = 256
#: A submitter with more untold outcomes than this does not read; it is closed.
MOST_UNTOLD = 50_000
PING_SECONDS = 30.0

Answers = Sequence[Done | psycopg.Error]


class AgentSocket(AsyncWebsocketConsumer):
    """One connection: an agent at work, a submitter, or both."""

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
            self._leave()

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
        self.mailbox: Mailbox | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        #: intent → the last frame about it that is being served and is not to be overtaken by the one that ends it
        self.busy: dict[UUID, asyncio.Task[None]] = {}
        self.outcomes: list[bytes] = []
        self.has_outcomes = asyncio.Event()
        self.teller: asyncio.Task[None] | None = None
        self.watched: set[UUID] = set()
        self.caller: Caller | None = self.scope["caller"]
        await self.accept()
        if self.caller is None:
            error = self.scope["auth_error"]
            code = CloseCode.TRY_AGAIN if error == "service_unavailable" else CloseCode.UNAUTHENTICATED
            await self.close(code, error)
            return
        self.here = runtime.current()
        if self.here.is_draining:
            await self.close(CloseCode.RESTARTING)
            return
        self.guest = _Guest(self)
        self.here.welcome(self.caller.key_id, self.guest)

    def _leave(self) -> None:
        if getattr(self, "guest", None) is None or self.caller is None:
            return
        self.here.see_off(self.caller.key_id, self.guest)
        if self.mailbox is not None:
            self.here.dispatcher.close(self.mailbox)
        for intent_id in self.watched:
            self.here.observer.forget_ending(intent_id, self.tell)
        for task in self.tasks:
            if task.get_name() != "frame":  # what was asked for is still done
                task.cancel()

    async def hang_up(self, closing: Closing) -> None:
        """End the connection from this side."""
        if closing is Closing.REVOKED:
            await self.close(CloseCode.REVOKED, "the API key has been revoked")
        else:
            await self.close(CloseCode.RESTARTING, "the server is being restarted")

    # -- frames in --------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.caller is None:
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
            await self.refuse(None, "invalid_json", error.message)
            return
        if isinstance(frame, frames.Hello):
            await self.serve(self.hello, frame)  # nothing else makes sense before it is done
            return
        if (
            isinstance(frame, frames.Heartbeat)
            and frame.ref is None
            and not (self.mailbox and self.mailbox.held)
        ):
            return  # that it came is all
        while len(self.tasks) > MOST_AT_ONCE:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        named = getattr(frame, "deliveries", ()) if self.busy else ()
        earlier = {self.busy[each.intent_id] for each in named if each.intent_id in self.busy}
        task = self.spawn(self.serve_after(earlier, frame), "frame")
        if isinstance(frame, frames.Acknowledge | frames.Extend):
            self.busy.update((each.intent_id, task) for each in frame.deliveries)

    async def serve_after(self, earlier: set[asyncio.Task[None]], frame: Any) -> None:
        """Serve a frame, but not before earlier ones about the same deliveries."""
        if earlier:
            await asyncio.wait(earlier)
        await self.serve(self.handlers[type(frame)].__get__(self), frame)
        if isinstance(frame, frames.Acknowledge | frames.Extend):
            for each in frame.deliveries:
                if self.busy.get(each.intent_id) is asyncio.current_task():
                    del self.busy[each.intent_id]

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

    async def hello(self, frame: frames.Hello) -> None:
        if self.mailbox is not None:
            raise BadFrame("wrong_state", "this connection has an address already")
        assert self.caller is not None
        room = frame.max_in_flight or self.caller.max_in_flight
        if frame.address is not None:
            try:
                agent = await agent_for(self.caller, frame.address)
            except Forbidden as error:
                await self.close(CloseCode.FORBIDDEN, error.message)
                return
            except ApiError as error:
                await self.close(CloseCode.UNKNOWN_AGENT, error.message[:120])
                return
            room = frame.max_in_flight or agent.max_in_flight
            self.mailbox = Mailbox(
                agent.agent_id,
                Visitor(
                    self.caller,
                    Transport.WEBSOCKET,
                    frame.client,
                    (self.scope.get("client") or [""])[0] or "",
                ),
                room=room,
                seconds=settings.PERDURE_LEASE_SECONDS,
            )
            self.mailbox.on_ended = self.withdraw
            self.mailbox.on_lost = self.lose
        await self.send_frame(
            {
                "type": "welcome",
                "ref": frame.ref,
                "connection": self.mailbox.id if self.mailbox else None,
                "address": agent.address if self.mailbox else None,
                "max_in_flight": room,
                "lease_seconds": settings.PERDURE_LEASE_SECONDS,
                "heartbeat_seconds": settings.PERDURE_LEASE_SECONDS // runtime.RENEWALS_IN_A_LEASE,
                "max_frame_bytes": frames.LARGEST_FRAME,
            }
        )
        if self.mailbox is not None:
            self.here.dispatcher.open(self.mailbox)
            self.spawn(self.deliver(self.mailbox), "courier")

    async def submit(self, frame: frames.Submit) -> None:
        assert self.caller is not None
        self.caller.require(Scope.SUBMIT)
        prepared = await intake.prepare(frame.intents, self.caller)
        good = [each for each in prepared if not isinstance(each, ApiError)]
        if frame.watch:
            for each in good:  # before it can end
                self.watch_one(each.id, is_new=True)
        try:
            answers = await intake.record(good)
        except DatabaseUnavailable:
            for each in good:
                self.unwatch(each.id)
            raise
        results = []
        for asked, answer in intake.in_order(prepared, answers):
            if isinstance(answer, ApiError):
                if not isinstance(asked, ApiError):
                    self.unwatch(asked.id)
                results.append({"ok": False, "error": _error(answer)})
            else:
                if frame.watch and not isinstance(asked, ApiError) and answer["intent_id"] != asked.id:
                    self.unwatch(asked.id)  # the key was used before, for another intent
                    self.watch_one(UUID(str(answer["intent_id"])))
                results.append(answer)
        await self.send_frame({"type": "accepted", "ref": frame.ref, "results": results})

    async def watch(self, frame: frames.WatchIntents) -> None:
        assert self.caller is not None
        self.caller.require(Scope.READ, Scope.SUBMIT)
        rows = await coalescer.read("visible_ids", ids=frame.intents, **reading.eyes(self.caller))
        visible = {row["intent_id"] for row in rows}
        for intent_id in visible:
            self.watch_one(intent_id)
        results = [
            {"intent_id": each, "ok": True}
            if each in visible
            else {
                "intent_id": each,
                "ok": False,
                "error": {"code": "not_found", "message": "intent not found"},
            }
            for each in frame.intents
        ]
        await self.send_results(frame.ref, results)

    async def acknowledge(self, frame: frames.Acknowledge) -> None:
        holds = [self.hold(named) for named in frame.deliveries]
        await self.answer(frame, await coalescer.current().acknowledge.each(holds))

    async def complete(self, frame: frames.Complete) -> None:
        endings = []
        for named in frame.deliveries:
            result = named.result if isinstance(named.result, dict) else {"result": named.result}
            endings.append(Ending(self.hold(named), EventType.COMPLETED, {"result": result}, is_told=False))
        await self.settle(frame, coalescer.current().finish.each, endings)

    async def fail(self, frame: frames.Fail) -> None:
        if len({named.retryable for named in frame.deliveries}) > 1:
            raise BadFrame("invalid_frame", "retryable is the same for all deliveries of a frame")
        if not frame.deliveries[0].retryable:
            endings = [
                Ending(
                    self.hold(named), EventType.FAILED, {"error": _agent_error(named.error)}, is_told=False
                )
                for named in frame.deliveries
            ]
            await self.settle(frame, coalescer.current().finish.each, endings)
            return
        releases = [
            Release(self.hold(named), "released", 0.0, {"error": _agent_error(named.error, retryable=True)})
            for named in frame.deliveries
        ]
        leases = self.leases(frame.deliveries)
        await self.settle(frame, coalescer.current().release.each, releases)
        if any(lease.attempt >= lease.max_attempts for lease in leases):
            await coalescer.exhaust()

    async def release(self, frame: frames.ReleaseFrame) -> None:
        releases = [Release(self.hold(named), "released", named.delay) for named in frame.deliveries]
        await self.settle(frame, coalescer.current().release.each, releases)

    async def extend(self, frame: frames.Extend) -> None:
        holds = [self.hold(named) for named in frame.deliveries]
        await self.answer(frame, await coalescer.current().extend.each(holds))

    async def heartbeat(self, frame: frames.Heartbeat) -> None:
        if self.mailbox is not None:
            await self.here.dispatcher.renew([self.mailbox])
        if frame.ref is not None:
            await self.send_results(frame.ref, [])

    async def pong(self, frame: frames.Pong) -> None:
        """An answer to our ping; that it came is all."""

    handlers: dict[type, Any] = {
        frames.Submit: submit,
        frames.WatchIntents: watch,
        frames.Acknowledge: acknowledge,
        frames.Complete: complete,
        frames.Fail: fail,
        frames.ReleaseFrame: release,
        frames.Extend: extend,
        frames.Heartbeat: heartbeat,
        frames.Pong: pong,
    }

    # -- deliveries that are held -----------------------------------------------------------------------------

    def agent(self) -> Mailbox:
        if self.mailbox is None:
            raise BadFrame("wrong_state", "say hello with an address first")
        return self.mailbox

    def hold(self, named: frames.Named) -> Hold:
        mailbox = self.agent()
        caller = mailbox.visitor.caller
        return Hold(
            named.intent_id,
            caller.organization_id,
            agent_id=mailbox.agent_id,
            token=named.lease,
            actor=caller.address,
        )

    def leases(self, deliveries: Sequence[frames.Named]) -> list[Lease]:
        """Those of these that this connection holds, by the very lease that is named."""
        held = self.agent().held
        found = [(held.get(named.intent_id), named.lease) for named in deliveries]
        return [lease for lease, token in found if lease is not None and lease.lease_token == token]

    async def settle(
        self,
        frame: Any,
        write: Callable[[list[Any]], Awaitable[Answers]],
        asked: list[Ending] | list[Release],
    ) -> None:
        """Write what ends the hold on these deliveries; make room at once, and take it back if the write fails."""
        mailbox = self.agent()
        leases = self.leases(frame.deliveries)
        for lease in leases:
            self.here.dispatcher.settle(mailbox, lease.intent_id)
        try:
            answers = await write(list(asked))
        except DatabaseUnavailable:
            self.here.dispatcher.resume(mailbox, leases)
            raise
        unwritten = {
            named.intent_id
            for named, answer in zip(frame.deliveries, answers, strict=True)
            if isinstance(answer, psycopg.Error)
        }
        if unwritten:
            self.here.dispatcher.resume(mailbox, [lease for lease in leases if lease.intent_id in unwritten])
        await self.answer(frame, answers)

    async def answer(self, frame: Any, answers: Answers) -> None:
        results = []
        for named, answer in zip(frame.deliveries, answers, strict=True):
            result: dict[str, Any] = {"intent_id": named.intent_id, "ok": True}
            try:
                if isinstance(answer, psycopg.Error):
                    raise ApiError("it cannot be stored", code="validation_error")
                answer.outcome.check()
            except ApiError as error:
                result |= {"ok": False, "error": _error(error)}
                if (
                    isinstance(answer, Done)
                    and answer.outcome is Outcome.LEASE_LOST
                    and self.mailbox is not None
                ):
                    self.here.dispatcher.settle(self.mailbox, named.intent_id)
            results.append(result)
        await self.send_results(frame.ref, results)

    # -- frames out -------------------------------------------------------------------------------------------

    async def deliver(self, mailbox: Mailbox) -> None:
        """Send what the dispatcher leases to this connection, as it comes."""
        while not mailbox.closing:
            if not await mailbox.news(PING_SECONDS):
                await self.send_frame({"type": "ping"})
            if leases := mailbox.take():
                for text in frames.batches(
                    "deliveries", "deliveries", [frames.delivery(lease) for lease in leases]
                ):
                    await self.send(text_data=text)

    def withdraw(self, row: Row) -> None:
        """An intent that this agent works on has ended otherwise."""
        body = {"intent_id": row["intent_id"], "status": row["status"], **_ending(row)}
        self.spawn(self.send_frame({"type": "canceled", "deliveries": [body]}), "courier")

    def lose(self, lease: Lease) -> None:
        """A delivery that this agent works on is another's now."""
        body = {"intent_id": lease.intent_id, "lease": lease.lease_token}
        self.spawn(self.send_frame({"type": "lease_lost", "deliveries": [body]}), "courier")

    def watch_one(self, intent_id: UUID, *, is_new: bool = False) -> None:
        self.watched.add(intent_id)
        self.here.observer.await_ending(intent_id, self.tell, is_new=is_new)
        if self.teller is None:
            self.teller = self.spawn(self.tell_outcomes(), "teller")

    def unwatch(self, intent_id: UUID) -> None:
        self.watched.discard(intent_id)
        self.here.observer.forget_ending(intent_id, self.tell)

    def tell(self, row: Row) -> None:
        """An intent that this submitter watches has ended."""
        self.watched.discard(row["intent_id"])
        body = {"intent_id": row["intent_id"], "status": row["status"], "seq": row["seq"], "at": row["at"]}
        self.outcomes.append(orjson.dumps({**body, **_ending(row)}, option=orjson.OPT_UTC_Z))
        self.has_outcomes.set()

    async def tell_outcomes(self) -> None:
        """Send outcomes as they come, many in a frame when they come quickly."""
        while True:
            await self.has_outcomes.wait()
            self.has_outcomes.clear()
            if len(self.outcomes) > MOST_UNTOLD:
                await self.close(CloseCode.TOO_SLOW, "outcomes are not being read")
                return
            outcomes, self.outcomes = self.outcomes, []
            for text in frames.batches("outcomes", "outcomes", outcomes):
                await self.send(text_data=text)

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

    def __init__(self, socket: AgentSocket) -> None:
        self._socket = socket

    def close(self, closing: Closing) -> None:
        if self._socket.mailbox is not None:
            self._socket.mailbox.close(closing)
        self._socket.spawn(self._socket.hang_up(closing), "frame")


def _ending(row: Row) -> dict[str, Any]:
    """What came of an intent: its result, error or reason."""
    details = orjson.loads(row["details"])
    return {name: details[name] for name in ("result", "error", "reason") if details.get(name) is not None}


def _agent_error(said: dict[str, Any] | str | None, *, retryable: bool = False) -> dict[str, Any]:
    """An agent's own error, in the form that the protocol gives errors."""
    error = said if isinstance(said, dict) else {"message": said} if said else {}
    return {
        "code": "agent_failed",
        "message": "the agent could not do it",
        "category": "internal",
        "retryable": retryable,
        **error,
    }


def _error(error: ApiError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "details": error.details}
