"""Steps: pieces of work that are done once, ever, however often the whole begins anew.

    with delivery.steps() as step:
        rows = step("extract", extract, delivery.payload)
        good = step("validate", validate, rows)

A step's value is saved under its name before the step returns. An attempt that comes later is given the saved value,
and does not do the step. If the process dies within a step, that step is done again: at most one more time per death.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from perdure.codecs import JSON, Codec, decode, encode
from perdure.errors import StepRepeated
from perdure.records import Checkpoint

T = TypeVar("T")
P = ParamSpec("P")


class Store(Protocol):
    """Where steps are kept, for code that blocks."""

    def check(self) -> None:
        """Raise if there is no sense in going on: the lease is lost, or the intent has ended."""

    def known(self) -> list[Checkpoint]:
        """All steps that are done."""

    def fetch(self, step: str) -> tuple[bytes, str]:
        """The bytes of a step that is done, and their content type."""

    def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        """Save a step; what is stored then, which may be somebody else's."""


class AsyncStore(Protocol):
    """The same, for code that awaits."""

    def check(self) -> None:
        """As above; needs nobody."""

    async def known(self) -> list[Checkpoint]:
        """As above."""

    async def fetch(self, step: str) -> tuple[bytes, str]:
        """As above."""

    async def save(self, step: str, content: bytes, content_type: str) -> Checkpoint:
        """As above."""


@dataclass(frozen=True, slots=True)
class _Fetch:
    step: str


@dataclass(frozen=True, slots=True)
class _Save:
    step: str
    content: bytes
    content_type: str


_NOTHING: Any = object()


class _Book:
    """Which steps are done, and what is to be done for the next: without doing any of it."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.known: dict[str, Checkpoint] = {}
        self._begun: set[str] = set()

    def fill(self, checkpoints: list[Checkpoint]) -> None:
        self.known = {each.step: each for each in checkpoints}

    def begin(self, name: str) -> None:
        """Note that this run has come to the step.

        Raises:
            StepRepeated: it has been there before.
        """
        if name in self._begun:
            raise StepRepeated(
                f"this run has a step {name!r} already; in a loop, put what differs into the name"
            )
        self._begun.add(name)

    def saved(self, name: str, codec: Codec) -> Generator[_Fetch, tuple[bytes, str], Any]:
        """The value of a step that is done; `_NOTHING` if it is not."""
        if (found := self.known.get(name)) is None:
            return _NOTHING
        content, kind = _content(found) if found.has_value else (yield _Fetch(name))
        return decode(codec, name, content, kind)

    def save(self, name: str, codec: Codec, value: Any) -> Generator[_Fetch | _Save, Any, Any]:
        """The value as it is stored: the same that a later attempt will be given."""
        content = encode(codec, name, value)
        stored: Checkpoint = yield _Save(name, content, codec.content_type)
        self.known[name] = stored
        if stored.get("created") is not False:
            # As it will be read, so that a first run and a resumed one see the same.
            return decode(codec, name, content, codec.content_type)
        return (yield from self.saved(name, codec))


def _content(found: Checkpoint) -> tuple[bytes, str]:
    if "value_base64" in found:
        return base64.b64decode(found["value_base64"]), found.content_type
    return json.dumps(found["value"], separators=(",", ":")).encode(), found.content_type


class Steps:
    """Does steps once. Made by `delivery.steps()` or `perdure.steps(…)`, with `with`."""

    def __init__(self, store: Store, codec: Codec) -> None:
        self._store = store
        self._book = _Book(codec)
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
        if value is not _NOTHING:
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
                case _Fetch(step):
                    reply = self._store.fetch(step)
                case _Save(step, content, content_type):
                    reply = self._store.save(step, content, content_type)


class Step:
    """One step, as a block."""

    def __init__(self, steps: Steps, name: str, codec: Codec) -> None:
        self._steps = steps
        self.name = name
        self._codec = codec
        self._value: Any = _NOTHING

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
        return self._value is not _NOTHING

    @property
    def value(self) -> Any:
        """What is saved."""
        if self._value is _NOTHING:
            raise ValueError(f"step {self.name!r} has not been saved")
        return self._value

    def save(self, value: Any) -> Any:
        """Save its value; what is stored then."""
        self._value = self._steps._carry_out(self._steps._book.save(self.name, self._codec, value))
        return self._value


class AsyncSteps:
    """The same as `Steps`, to be awaited. Made with `async with`. Steps may run side by side."""

    def __init__(self, store: AsyncStore, codec: Codec) -> None:
        self._store = store
        self._book = _Book(codec)

    async def open(self) -> AsyncSteps:
        """Learn which steps are done."""
        self._book.fill(await self._store.known())
        return self

    @property
    def done(self) -> list[str]:
        """The names of the steps that are done, in the order they were saved."""
        return list(self._book.known)

    @overload
    async def __call__(
        self, name: str, do: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def __call__(self, name: str, do: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def __call__(self, name: str, do: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As `Steps.__call__`; `do` may be a coroutine function or an ordinary one."""
        return await self.using(self._book.codec, name, do, *args, **kwargs)

    async def using(
        self, codec: Codec, name: str, do: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """The same, with a codec of its own."""
        self._store.check()
        self._book.begin(name)
        value = await self._carry_out(self._book.saved(name, codec))
        if value is not _NOTHING:
            return value
        value = do(*args, **kwargs)
        if inspect.isawaitable(value):
            value = await value
        return await self._carry_out(self._book.save(name, codec, value))

    def step(self, name: str, codec: Codec | None = None) -> AsyncStep:
        """A step as a block: `async with steps.step("extract") as s`, and `await s.save(…)`."""
        return AsyncStep(self, name, codec or self._book.codec)

    async def _carry_out(self, plan: Generator[Any, Any, Any]) -> Any:
        reply: Any = None
        while True:
            try:
                effect = plan.send(reply)
            except StopIteration as stop:
                return stop.value
            match effect:
                case _Fetch(step):
                    reply = await self._store.fetch(step)
                case _Save(step, content, content_type):
                    reply = await self._store.save(step, content, content_type)


class AsyncStep:
    """One step, as a block."""

    def __init__(self, steps: AsyncSteps, name: str, codec: Codec) -> None:
        self._steps = steps
        self.name = name
        self._codec = codec
        self._value: Any = _NOTHING

    async def __aenter__(self) -> AsyncStep:
        self._steps._store.check()
        self._steps._book.begin(self.name)
        self._value = await self._steps._carry_out(self._steps._book.saved(self.name, self._codec))
        return self

    async def __aexit__(self, *_: object) -> None:
        """A step that was not saved is not done, and begins anew in the next attempt."""

    @property
    def is_done(self) -> bool:
        """Whether it has a value, from an earlier attempt or from `save`."""
        return self._value is not _NOTHING

    @property
    def value(self) -> Any:
        """What is saved."""
        if self._value is _NOTHING:
            raise ValueError(f"step {self.name!r} has not been saved")
        return self._value

    async def save(self, value: Any) -> Any:
        """Save its value; what is stored then."""
        self._value = await self._steps._carry_out(self._steps._book.save(self.name, self._codec, value))
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
