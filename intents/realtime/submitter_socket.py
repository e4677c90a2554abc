"""Submitting over a websocket, and seeing what came of it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import orjson

from agents.errors import ApiError
from agents.models import Scope
from agents.postgres import DatabaseUnavailable
from intents import coalescer, intake, reading
from intents.realtime import frames
from intents.realtime.frame_socket import FrameSocket, described
from intents.realtime.frames import CloseCode
from intents.records import Row

#: A submitter with more untold outcomes than this does not read; it is closed.
MOST_UNTOLD = 50_000


class SubmitterSocket(FrameSocket):
    """The submitter's half of a connection: intents come up, outcomes go down."""

    async def connect(self) -> None:
        self.outcomes: list[bytes] = []
        self.has_outcomes = asyncio.Event()
        self.teller: asyncio.Task[None] | None = None
        self.watched: set[UUID] = set()
        await super().connect()

    def leave(self) -> None:
        for intent_id in self.watched:
            self.here.observer.forget_ending(intent_id, self.tell)
        super().leave()

    async def submit(self, frame: frames.Submit) -> None:
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
                results.append({"ok": False, "error": described(answer)})
            else:
                if frame.watch and not isinstance(asked, ApiError) and answer["intent_id"] != asked.id:
                    self.unwatch(asked.id)  # the key was used before, for another intent
                    self.watch_one(UUID(str(answer["intent_id"])))
                results.append(answer)
        await self.send_frame({"type": "accepted", "ref": frame.ref, "results": results})

    async def watch(self, frame: frames.WatchIntents) -> None:
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
        self.has_outcomes.set()
        if len(self.outcomes) > MOST_UNTOLD:
            return  # the connection is closed for that, as soon as anything can be sent on it
        body = {"intent_id": row["intent_id"], "status": row["status"], "seq": row["seq"], "at": row["at"]}
        self.outcomes.append(orjson.dumps({**body, **ending(row)}, option=orjson.OPT_UTC_Z))

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


def ending(row: Row) -> dict[str, Any]:
    """What came of an intent: its result, error or reason."""
    details = orjson.loads(row["details"])
    return {name: details[name] for name in ("result", "error", "reason") if details.get(name) is not None}
