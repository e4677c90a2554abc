"""Steps for code that awaits. The same promise as of `steps`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, ParamSpec, TypeVar, overload

from perdure.codecs import Codec
from perdure.step_book import NOTHING, AsyncStore, Book, Fetch, Save

T = TypeVar("T")
P = ParamSpec("P")


class AsyncSteps:
    """The same as `Steps`, to be awaited. Made with `async with`. Steps may run side by side."""

    def __init__(self, store: AsyncStore, codec: Codec) -> None:
        self._store = store
        self._book = Book(codec)

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
        if value is not NOTHING:
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
                case Fetch(step):
                    reply = await self._store.fetch(step)
                case Save(step, content, content_type):
                    reply = await self._store.save(step, content, content_type)


class AsyncStep:
    """One step, as a block."""

    def __init__(self, steps: AsyncSteps, name: str, codec: Codec) -> None:
        self._steps = steps
        self.name = name
        self._codec = codec
        self._value: Any = NOTHING

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
        return self._value is not NOTHING

    @property
    def value(self) -> Any:
        """What is saved."""
        if self._value is NOTHING:
            raise ValueError(f"step {self.name!r} has not been saved")
        return self._value

    async def save(self, value: Any) -> Any:
        """Save its value; what is stored then."""
        self._value = await self._steps._carry_out(self._steps._book.save(self.name, self._codec, value))
        return self._value
