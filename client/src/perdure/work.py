"""One delivery that is being worked on: its lease, whoever interrupts it, and what is written about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from perdure import errors
from perdure.client import AsyncClient
from perdure.framing import Disconnected
from perdure.handling import FINAL, RETRYABLE, Outcome, failure, in_thread, interruptible, is_async
from perdure.intents import path_of
from perdure.link import Link
from perdure.plans import Policy
from perdure.records import Checkpoint
from perdure.stored import in_json

log = logging.getLogger("perdure.agent")

#: How long after a reconnect a delivery may take to come again, before its lease counts as lost.
GRACE_SECONDS = 2.0
#: Values of steps up to this size share frames with others; larger ones go by HTTP.
LARGEST_IN_FRAME = 64 * 1024


class Work:
    """A delivery and its handler. Everything here belongs to the event loop, except `check`."""

    def __init__(self, data: dict[str, Any], link: Link, client: AsyncClient) -> None:
        self.data = data
        self.intent_id = str(data["intent_id"])
        self.loop = asyncio.get_running_loop()
        self.client = client
        self._link = link
        self._policy = Policy()
        self._reports: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        self.interruption: errors.Conflict | None = None
        #: this attempt has failed and says so; what comes of the intent from then on is another
        self.is_given_up = False
        self.lease = ""
        self.epoch = 0
        self.adopt(data)

    # -- the lease --------------------------------------------------------------------------------------------------

    def adopt(self, data: dict[str, Any]) -> None:
        """Go on under the lease of this delivery of the same intent."""
        self.lease, self.epoch = str(data["lease"]), self._link.epoch
        self.data["attempt"] = data["attempt"]
        self._news.set()

    def check(self) -> None:
        """Raise if there is no sense in going on. Needs nobody, may be called by any thread."""
        if self.interruption is not None:
            raise self.interruption

    def interrupt(self, error: errors.Conflict) -> None:
        """Make the handler stop: an asynchronous one where it awaits, another at its next step, report or check."""
        if self.interruption is None:
            self.interruption = error
            self._news.set()
            if self._task is not None:
                self._task.cancel()

    async def extend(self) -> None:
        """Renew a lease that an earlier connection was given; lost is what does not come again soon."""
        lease = self.lease
        try:
            await self._link.ask("extend", {"intent_id": self.intent_id, "lease": lease})
        except errors.LeaseLost as lost:
            # The server has taken it from the broken connection, perhaps to give it to this one.
            if not await self._has_other_than(lease):
                self.interrupt(lost)
        except errors.IntentEnded as ended:
            self.interrupt(errors.Canceled(str(ended), code=ended.code))
        except (Disconnected, errors.ApiError) as error:
            log.debug("lease of %s not renewed: %s", self.intent_id, error)

    async def _has_other_than(self, lease: str) -> bool:
        if self.lease == lease and self.epoch == self._link.epoch:
            return False  # of this very connection: there is no doubt
        until = self.loop.time() + GRACE_SECONDS
        while self.lease == lease and self.interruption is None and (left := until - self.loop.time()) > 0:
            await self._news_or(asyncio.sleep(left))
        return self.lease != lease

    async def _news_or(self, other: Coroutine[Any, Any, Any]) -> None:
        """Wait for the other, or for an interruption or a new lease."""
        self._news.clear()
        waits = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(other)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # -- what is written --------------------------------------------------------------------------------------------

    async def ask(
        self, verb: str, item: dict[str, Any], *, once: bool = False, **shared: Any
    ) -> dict[str, Any]:
        """Write about the delivery, over as many connections as it takes. With `once` rather not at all than twice.

        Raises:
            errors.LeaseLost, errors.Canceled: the work is not ours any more.
            errors.ApiError: refused.
        """
        failures = 0
        while True:
            lease = self.lease
            try:
                return await self._link.ask(
                    verb, {"intent_id": self.intent_id, "lease": lease, **item}, **shared
                )
            except Disconnected as gone:
                if once and gone.was_sent:
                    return {}
                self.check()
                await self._news_or(self._link.up.wait())
            except errors.Unavailable:
                self.check()
                await self._news_or(asyncio.sleep(self._policy.pause(failures)))
                failures += 1
            except errors.LeaseLost:
                if not await self._has_other_than(lease):
                    raise

    async def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        """Save a step; what is stored then."""
        try:
            if len(content) > LARGEST_IN_FRAME or not self._link.has_frames:
                return await self._save_by_http(step, content, content_type)
            answer = await self.ask("checkpoint", {"step": step, **in_json(content, content_type)})
        except (errors.LeaseLost, errors.IntentEnded) as error:
            self.interrupt(_as_interruption(error))
            raise (self.interruption or error) from None
        except errors.ApiError as error:
            if error.code != "unknown_frame":
                raise
            return await self._save_by_http(step, content, content_type)  # an older server
        return Checkpoint(answer["checkpoint"], created=answer.get("created"))

    async def _save_by_http(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        while True:
            self.check()
            lease = self.lease
            try:
                return await self.client.checkpoints.put(
                    self.intent_id, step, content, content_type=content_type, lease=lease
                )
            except errors.LeaseLost:
                if not await self._has_other_than(lease):
                    raise

    def report(self, fields: dict[str, Any]) -> None:
        """Send a usage report soon."""
        task = self.loop.create_task(self._send_report(fields))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _send_report(self, fields: dict[str, Any]) -> None:
        try:
            await self._report_either_way(fields)
        except (errors.LeaseLost, errors.IntentEnded) as error:
            self.interrupt(_as_interruption(error))
        except errors.ApiError as error:
            log.warning("usage of %s was not recorded: %s", self.intent_id, error)

    async def _report_either_way(self, fields: dict[str, Any]) -> None:
        try:
            await self.ask("report", fields, once=True)
        except errors.ApiError as error:
            if error.code != "unknown_frame":
                raise
            path, lease = path_of(self.intent_id, "usage"), {"x-perdure-lease": self.lease}
            await self.client.request("POST", path, json=fields, headers=lease)  # an older server

    # -- doing it ---------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Say that the work has begun: from now on the attempt counts."""
        try:
            await self.ask("acknowledge", {})
        except (errors.LeaseLost, errors.IntentEnded) as error:
            self.interrupt(_as_interruption(error))

    async def do(self, handler: Callable[[Any], Any], delivery: Any) -> Outcome | None:
        """Run the handler; what is to be told of it, or nothing if the work was taken away."""
        begun = self.loop.create_task(self.begin())
        try:
            if is_async(handler):
                self._task = self.loop.create_task(
                    interruptible(handler(delivery), lambda: self.interruption)
                )
                result = await self._task
            else:
                result = await in_thread(handler, delivery)
        except errors.Fatal as fatal:
            log.error("intent %s failed for good: %s", self.intent_id, fatal)
            return "fail", {"error": {**fatal.details, "code": fatal.code, "message": str(fatal)}}, FINAL
        except (errors.LeaseLost, errors.Canceled) as error:
            if self.interruption is not None:
                log.info("intent %s was taken away: %s", self.intent_id, error)
                return None
            return failure(error)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                begun.cancel()  # it may wait for a connection that will never come
                raise
            return None if self.interruption else failure(RuntimeError("the handler was canceled"))
        except Exception as error:
            log.exception("the handler of intent %s raised", self.intent_id)
            return failure(error)
        finally:
            self._task = None
            await begun
        return "complete", {"result": result}, {}

    async def tell(self, outcome: Outcome) -> None:
        """Have the outcome recorded, if the lease still stands. The server decides; a doubtful one is worth asking."""
        if self._reports:
            await asyncio.wait(self._reports)
        if isinstance(self.interruption, errors.Canceled):
            return
        verb, item, shared = outcome
        # What comes after that is the next attempt, and may come in the same breath as the answer.
        self.is_given_up = shared == RETRYABLE
        try:
            await self.ask(verb, item, **shared)
        except (errors.LeaseLost, errors.IntentEnded) as error:
            log.info("the outcome of intent %s came too late: %s", self.intent_id, error)
        except errors.PayloadTooLarge as error:
            await self._tell_instead("result_too_large", error)
        except errors.ApiError as error:
            await self._tell_instead("result_refused", error)

    async def _tell_instead(self, code: str, error: errors.ApiError) -> None:
        log.error("what the handler of intent %s gave cannot be recorded: %s", self.intent_id, error)
        said = {"code": code, "message": f"the agent's answer cannot be recorded: {error}"[:2000]}
        try:
            await self.ask("fail", {"error": said}, **FINAL)
        except errors.ApiError as again:
            log.error("intent %s: %s", self.intent_id, again)


def _as_interruption(error: errors.Conflict) -> errors.Conflict:
    if isinstance(error, errors.IntentEnded):
        return errors.Canceled(str(error), code=error.code)
    return error
