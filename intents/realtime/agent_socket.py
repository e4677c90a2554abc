"""The websocket of agents and submitters: deliveries go down; results, heartbeats and new intents come up.

docs/websocket.md has every frame.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

import psycopg
from django.conf import settings

from agents.errors import ApiError, Forbidden
from agents.models import Transport
from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.realtime import frames, progress_frames, runtime
from intents.realtime.frame_socket import described
from intents.realtime.frames import BadFrame, CloseCode
from intents.realtime.mailbox import Closing, Mailbox, Visitor
from intents.realtime.reception import agent_for
from intents.realtime.submitter_socket import SubmitterSocket, ending
from intents.records import Done, Ending, Hold, Lease, Release, Row
from intents.wire import agent_error

PING_SECONDS = 30.0

Answers = Sequence[Done | psycopg.Error]


class AgentSocket(SubmitterSocket):
    """One connection: an agent at work, a submitter, or both."""

    async def connect(self) -> None:
        self.mailbox: Mailbox | None = None
        await super().connect()

    def leave(self) -> None:
        if self.mailbox is not None:
            # What it said last counts: a result is not to be overtaken by the end of its connection.
            said_last = [task for task in self.tasks if task.get_name() == "frame"]
            self.here.dispatcher.close(self.mailbox, after=said_last)
        super().leave()

    def close_down(self, closing: Closing) -> None:
        if self.mailbox is not None:
            self.mailbox.close(closing)
        super().close_down(closing)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.mailbox is not None:
            self.mailbox.doubted_until = 0.0  # it does not hang
        await super().receive(text_data, bytes_data)

    def is_idle_talk(self, frame: frames.Incoming) -> bool:
        if isinstance(frame, frames.Heartbeat) and frame.ref is None:
            return self.mailbox is None or not self.mailbox.held
        return super().is_idle_talk(frame)

    async def hello(self, frame: frames.Hello) -> None:
        if self.mailbox is not None:
            raise BadFrame("wrong_state", "this connection has an address already")
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
                Ending(self.hold(named), EventType.FAILED, {"error": agent_error(named.error)}, is_told=False)
                for named in frame.deliveries
            ]
            await self.settle(frame, coalescer.current().finish.each, endings)
            return
        releases = [
            Release(self.hold(named), "released", 0.0, {"error": agent_error(named.error, retryable=True)})
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

    handlers: ClassVar[dict[type, Any]] = {
        frames.Hello: hello,
        frames.Submit: SubmitterSocket.submit,
        frames.WatchIntents: SubmitterSocket.watch,
        frames.Acknowledge: acknowledge,
        frames.Complete: complete,
        frames.Fail: fail,
        frames.ReleaseFrame: release,
        frames.Extend: extend,
        frames.Checkpoint: progress_frames.save,
        frames.Report: progress_frames.report,
        frames.Heartbeat: heartbeat,
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
                result |= {"ok": False, "error": described(error)}
                if (
                    isinstance(answer, Done)
                    and answer.outcome is Outcome.LEASE_LOST
                    and self.mailbox is not None
                ):
                    # Perhaps of an earlier attempt, and what this connection holds now is the next.
                    for lease in self.leases([named]):
                        self.here.dispatcher.settle(self.mailbox, lease.intent_id)
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
        body = {"intent_id": row["intent_id"], "status": row["status"], **ending(row)}
        self.spawn(self.send_frame({"type": "canceled", "deliveries": [body]}), "courier")

    def lose(self, lease: Lease) -> None:
        """A delivery that this agent works on is another's now."""
        body = {"intent_id": lease.intent_id, "lease": lease.lease_token}
        self.spawn(self.send_frame({"type": "lease_lost", "deliveries": [body]}), "courier")
