"""Steps: pieces of work that are done once, ever, however often the whole begins anew.

    with delivery.steps() as step:
        rows = step("extract", extract, delivery.payload)
        good = step("validate", validate, rows)

A step's value is saved under its name before the step returns. An attempt that comes later is given the saved value,
and does not do the step. If the process dies within a step, that step is done again: at most one more time per death.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

from perdure.async_steps import AsyncSteps
from perdure.codecs import JSON, Codec
from perdure.step_book import NOTHING, AsyncStore, Book, Fetch, Save, Store

T = TypeVar("T")
P = ParamSpec("P")

__all__ = ["AsyncSteps", "AsyncStore", "Step", "Steps", "StepsContext", "Store"]


class Steps:
    """Does steps once. Made by `delivery.steps()` or `perdure.steps(…)`, with `with`."""

    def __init__(self, store: Store, codec: Codec) -> None:
        self._store = store
        self._book = Book(codec)
        self._book.fill(store.known())

    @property
    def done(self) -> list[str]:
        """The names of the steps that are done, in the order they were saved."""
        return list(self._book.known)

    def __call__(self, name: str, do: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The value of the step: saved by an earlier attempt, or from `do(*args, **kwargs)`, and saved now.

        The name is what is remembered, not the function: do not give one name to two different things, also not in two
        versions of your program.

        Raises:
            errors.StepRepeated: this run has had a step of that name.
            errors.NotRecoverable: the value cannot be saved.
            errors.LeaseLost, errors.Canceled: the work is not ours any more.
        """
        return self.using(self._book.codec, name, do, *args, **kwargs)

    def using(self, codec: Codec, name: str, do: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, with a codec of its own: `step.using(codecs.BYTES, "photo", download, url)`."""
        self._store.check()
        self._book.begin(name)
        value: T = self._carry_out(self._book.saved(name, codec))
        if value is not NOTHING:
            return value
        value = do(*args, **kwargs)
        saved: T = self._carry_out(self._book.save(name, codec, value))
        return saved

    def step(self, name: str, codec: Codec | None = None) -> Step:
        """A step as a block, for what is no single call:

        with steps.step("extract") as s:
            if not s.is_done:
                s.save(…)
        rows = s.value
        """
        return Step(self, name, codec or self._book.codec)

    def _carry_out(self, plan: Generator[Any, Any, Any]) -> Any:
        reply: Any = None
        while True:
            try:
                effect = plan.send(reply)
            except StopIteration as stop:
                return stop.value
            match effect:
                case Fetch(step):
                    reply = self._store.fetch(step)
                case Save(step, content, content_type):
                    reply = self._store.save(step, content, content_type)


class Step:
    """One step, as a block."""

    def __init__(self, steps: Steps, name: str, codec: Codec) -> None:
        self._steps = steps
        self.name = name
        self._codec = codec
        self._value: Any = NOTHING

    def __enter__(self) -> Step:
        self._steps._store.check()
        self._steps._book.begin(self.name)
        self._value = self._steps._carry_out(self._steps._book.saved(self.name, self._codec))
        return self

    def __exit__(self, *_: object) -> None:
        """A step that was not saved is not done, and begins anew in the next attempt."""

    @property
    def is_done(self) -> bool:
        """Whether it has a value, from an earlier attempt or from `save`."""
        return self._value is not NOTHING

    @property
    def value(self) -> Any:
        """What is saved."""
        if self._value is NOTHING:
            raise ValueError(f"step {self.name!r} has not been saved")
        return self._value

    def save(self, value: Any) -> Any:
        """Save its value; what is stored then."""
        self._value = self._steps._carry_out(self._steps._book.save(self.name, self._codec, value))
        return self._value


class StepsContext:
    """Steps to be: `with` makes them block, `async with` makes them to be awaited."""

    def __init__(
        self, blocking: Callable[[], Store], awaiting: Callable[[], AsyncStore], codec: Codec = JSON
    ) -> None:
        self._blocking = blocking
        self._awaiting = awaiting
        self._codec = codec
        self._opened: Any = None

    def __enter__(self) -> Steps:
        store = self._opened = self._blocking()
        return Steps(store, self._codec)

    def __exit__(self, *_: object) -> None:
        if hasattr(self._opened, "close"):
            self._opened.close()

    async def __aenter__(self) -> AsyncSteps:
        store = self._opened = self._awaiting()
        return await AsyncSteps(store, self._codec).open()

    async def __aexit__(self, *_: object) -> None:
        if hasattr(self._opened, "aclose"):
            await self._opened.aclose()
