"""What a handler is given: the intent, and what can be said about the work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from perdure.codecs import JSON, Codec
from perdure.records import Checkpoint
from perdure.steps import StepsContext
from perdure.work import Work

T = TypeVar("T")


class Delivery:
    """An intent, in the attempt at it that is this handler's. What the handler returns is the intent's result."""

    def __init__(self, work: Work) -> None:
        self._work = work
        #: all that the server said
        self.data: dict[str, Any] = work.data

    def __repr__(self) -> str:
        return f"Delivery({self.intent_id}, {self.intent_type!r}, attempt {self.attempt})"

    @property
    def intent_id(self) -> str:
        """Which intent."""
        return self._work.intent_id

    @property
    def intent_type(self) -> str:
        """What is asked for."""
        return str(self.data.get("intent_type", ""))

    @property
    def payload(self) -> dict[str, Any]:
        """What the submitter sent."""
        payload = self.data.get("payload")
        return payload if isinstance(payload, dict) else {}

    @property
    def from_agent(self) -> str:
        """Who asks."""
        return str(self.data.get("from_agent", ""))

    @property
    def correlation_id(self) -> str:
        """What this intent shares with all others of its workflow."""
        return str(self.data.get("correlation_id", ""))

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return int(self.data["attempt"])

    @property
    def max_attempts(self) -> int:
        """How many there can be."""
        return int(self.data.get("max_attempts") or 0)

    @property
    def is_redelivery(self) -> bool:
        """Whether an earlier attempt may have done a part."""
        return bool(self.data.get("redelivery"))

    @property
    def trace_context(self) -> dict[str, str]:
        """The submitter's trace (W3C), for a propagator's `extract`; empty if there is none."""
        traceparent = self.data.get("traceparent")
        return {"traceparent": str(traceparent)} if traceparent else {}

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The steps that earlier attempts have done, as far as they came along; `steps()` knows them all."""
        return [Checkpoint(each) for each in self.data.get("checkpoints") or []]

    def check(self) -> None:
        """Raise if there is no sense in going on. In long loops of a handler that blocks.

        Raises:
            errors.LeaseLost: somebody else has the intent now.
            errors.Canceled: it has ended.
        """
        self._work.check()

    def report(
        self, *, cost_usd: float | None = None, tokens: int | None = None, model: str | None = None
    ) -> None:
        """Say what a part of the work has cost. Reports add up; they are sent in the background, never twice.

        Raises:
            errors.LeaseLost, errors.Canceled: there is no sense in going on.
        """
        self.check()
        said = {"cost_usd": cost_usd, "tokens": tokens, "model": model}
        fields = {name: value for name, value in said.items() if value is not None}
        if not fields:
            raise ValueError("report what? give cost_usd, tokens or model")
        self._work.loop.call_soon_threadsafe(self._work.report, fields)

    def steps(self, *, codec: Codec = JSON) -> StepsContext:
        """Steps that are done once, however often the intent is delivered.

        with delivery.steps() as step:  # `async with` in an asynchronous handler
            rows = step("extract", extract, delivery.payload)
        """
        return StepsContext(lambda: _Steps(self._work), lambda: _AsyncSteps(self._work), codec)


async def _known(work: Work) -> list[Checkpoint]:
    told = work.data.get("checkpoints") or []
    if work.data.get("checkpoint_count") == len(told):
        return [Checkpoint(each) for each in told]
    return await work.client.checkpoints.list(work.intent_id)


class _Steps:
    """Keeps steps for a handler that blocks, which is in a thread of its own."""

    def __init__(self, work: Work) -> None:
        self._work = work
        try:
            is_in_loop = asyncio.get_running_loop() is work.loop
        except RuntimeError:
            is_in_loop = False
        if is_in_loop:
            raise TypeError("steps of an asynchronous handler want `async with`, not `with`")

    def check(self) -> None:
        self._work.check()

    def known(self) -> list[Checkpoint]:
        return self._do(_known(self._work))

    def fetch(self, step: str) -> tuple[bytes, str]:
        return self._do(self._work.client.checkpoints.get_raw(self._work.intent_id, step))

    def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        return self._do(self._work.save(step, content, content_type))

    def _do(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._work.loop).result()


class _AsyncSteps:
    """Keeps steps for a handler that awaits."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def check(self) -> None:
        self._work.check()

    async def known(self) -> list[Checkpoint]:
        return await self._do(_known(self._work))

    async def fetch(self, step: str) -> tuple[bytes, str]:
        return await self._do(self._work.client.checkpoints.get_raw(self._work.intent_id, step))

    async def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        return await self._do(self._work.save(step, content, content_type))

    async def _do(self, asked: Coroutine[Any, Any, T]) -> T:
        if asyncio.get_running_loop() is self._work.loop:
            return await asked
        # a handler that blocks may still run an event loop of its own
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._work.loop))
