"""Handlers: run where they belong, interrupted where they can be, and what came of them put into words."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from perdure import errors

T = TypeVar("T")

#: What became of a handler: the verb, its fields, and those that all of a frame share.
Outcome = tuple[str, dict[str, Any], dict[str, Any]]
FINAL = {"retryable": False}
RETRYABLE = {"retryable": True}


def failure(error: BaseException) -> Outcome:
    name = type(error).__name__
    text = str(error)[:8000].encode(errors="replace").decode().replace("\0", "")
    said = {"code": "agent_failed", "message": text or name, "exception": name}
    return "fail", {"error": said}, RETRYABLE


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether calling it gives something to be awaited."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004  an object with an asynchronous __call__
    )


async def in_thread(handler: Callable[[Any], T], delivery: Any) -> T:
    """What a handler gives that blocks. Its thread does not keep the process alive."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    def run() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(handler, delivery)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the handler's outcome
            failure = error
        except BaseException as error:  # noqa: BLE001  sys.exit() in a handler ends the handler
            failure = RuntimeError(f"{type(error).__name__}: {error}")
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop is gone: the process is about to end

    threading.Thread(target=run, name="perdure handler", daemon=True).start()
    return await answer


@coroutine
def interruptible(
    steps: Coroutine[Any, Any, T], interruption: Callable[[], errors.Conflict | None]
) -> Generator[Any, Any, T]:
    """The coroutine, into which an interruption is thrown as what it is, at the await where it stands."""
    reply: Any = None
    failure: BaseException | None = None
    while True:
        try:
            waits_for = steps.throw(failure) if failure is not None else steps.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply, failure = None, None
        try:
            reply = yield waits_for
        except asyncio.CancelledError as canceled:
            failure = canceled
            if (why := interruption()) is not None:
                kind = errors.CanceledInTask if isinstance(why, errors.Canceled) else errors.LeaseLostInTask
                failure = kind(str(why), code=why.code)
        except BaseException as error:  # noqa: BLE001  the coroutine is to see it
            failure = error
