"""Carries plans out: `SyncRunner` blocks, `AsyncRunner` awaits. All that differs between the two worlds is here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

import httpx

from perdure.plans import (
    ConnectionFailed,
    Effect,
    Emit,
    OpenStream,
    Pause,
    Plan,
    Policy,
    ReadOn,
    Request,
    Response,
    Stream,
)

T = TypeVar("T")
P = ParamSpec("P")

try:
    VERSION = version("perdure")
except PackageNotFoundError:  # imported from a directory that nobody installed
    VERSION = "0"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and how it is spoken to."""

    base_url: str
    api_key: str
    timeout: float = 30.0
    headers: Mapping[str, str] | None = None
    #: for tests and unusual networks: what httpx is to send requests over
    transport: Any = None

    def options(self) -> dict[str, Any]:
        """What httpx needs to know."""
        return {
            "base_url": self.base_url,
            "headers": {
                "x-api-key": self.api_key,
                "user-agent": f"perdure/{VERSION}",
                "x-axme-client": f"perdure-python/{VERSION}",
                **(self.headers or {}),
            },
            "timeout": httpx.Timeout(self.timeout, connect=min(self.timeout, 5.0)),
            "follow_redirects": False,
            "transport": self.transport,
        }


class _Talk(Generic[T]):
    """One plan on its way: what it wants next, until it has its result."""

    def __init__(self, plan: Plan[T]) -> None:
        self._plan = plan
        self.result: T

    def next(self, reply: Any = None, failure: BaseException | None = None) -> Effect | None:
        """The next effect, after what came of the last; None when the plan has come to its result."""
        try:
            return self._plan.send(reply) if failure is None else self._plan.throw(failure)
        except StopIteration as stop:
            self.result = stop.value
            return None

    def close(self) -> None:
        self._plan.close()


def _prepared(http: httpx.Client | httpx.AsyncClient, asked: Request) -> httpx.Request:
    timeout: Any = httpx.USE_CLIENT_DEFAULT
    if asked.timeout is not None:
        timeout = httpx.Timeout(asked.timeout, connect=5.0)
    return http.build_request(
        asked.method,
        asked.path,
        params=dict(asked.params) or None,
        headers=dict(asked.headers),
        content=asked.content,
        timeout=timeout,
    )


def _response(response: httpx.Response, content: bytes) -> Response:
    return Response(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
    )


def _failed(error: Exception) -> ConnectionFailed:
    return ConnectionFailed(str(error) or type(error).__name__)


class SyncRunner:
    """Carries plans out by blocking. Safe to be used by several threads."""

    def __init__(self, server: Server, policy: Policy) -> None:
        self.server = server
        self.policy = policy
        self.http = httpx.Client(**server.options())

    def run(self, plan: Plan[T]) -> T:
        """The plan's result."""
        talk = _Talk(plan)
        for _ in self._items(talk):
            pass
        return talk.result

    def iterate(self, stream: Stream) -> Iterator[Any]:
        """The stream's items, as they come."""
        return self._items(_Talk(stream))

    def _items(self, talk: _Talk[Any]) -> Iterator[Any]:
        opened: list[httpx.Response] = []
        pieces: Iterator[bytes] = iter(())
        try:
            effect = talk.next()
            while effect is not None:
                reply: Any = None
                failure: ConnectionFailed | None = None
                try:
                    match effect:
                        case Emit(item):
                            yield item
                        case Pause(seconds):
                            time.sleep(seconds)
                        case Request():
                            answer = self.http.send(_prepared(self.http, effect))
                            reply = _response(answer, answer.content)
                        case OpenStream(request):
                            _close(opened)
                            answer = self.http.send(_prepared(self.http, request), stream=True)
                            opened.append(answer)
                            content = b"" if answer.status_code == 200 else answer.read()
                            reply, pieces = _response(answer, content), answer.iter_bytes()
                        case ReadOn():
                            reply = next(pieces, b"")
                except (httpx.TransportError, httpx.StreamError) as error:
                    failure = _failed(error)
                effect = talk.next(reply, failure)
        finally:
            _close(opened)
            talk.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self.http.close()


def _close(opened: list[httpx.Response]) -> None:
    while opened:
        opened.pop().close()


class AsyncRunner:
    """Carries plans out by awaiting."""

    def __init__(self, server: Server, policy: Policy) -> None:
        self.server = server
        self.policy = policy
        self.http = httpx.AsyncClient(**server.options())

    async def run(self, plan: Plan[T]) -> T:
        """The plan's result."""
        talk = _Talk(plan)
        async for _ in self._items(talk):
            pass
        return talk.result

    def iterate(self, stream: Stream) -> AsyncIterator[Any]:
        """The stream's items, as they come."""
        return self._items(_Talk(stream))

    async def _items(self, talk: _Talk[Any]) -> AsyncIterator[Any]:
        opened: list[httpx.Response] = []
        pieces: AsyncIterator[bytes] | None = None
        try:
            effect = talk.next()
            while effect is not None:
                reply: Any = None
                failure: ConnectionFailed | None = None
                try:
                    match effect:
                        case Emit(item):
                            yield item
                        case Pause(seconds):
                            await asyncio.sleep(seconds)
                        case Request():
                            answer = await self.http.send(_prepared(self.http, effect))
                            reply = _response(answer, answer.content)
                        case OpenStream(request):
                            await _aclose(opened)
                            answer = await self.http.send(_prepared(self.http, request), stream=True)
                            opened.append(answer)
                            content = b"" if answer.status_code == 200 else await answer.aread()
                            reply, pieces = _response(answer, content), answer.aiter_bytes()
                        case ReadOn():
                            reply = await anext(pieces, b"") if pieces is not None else b""
                except (httpx.TransportError, httpx.StreamError) as error:
                    failure = _failed(error)
                effect = talk.next(reply, failure)
        finally:
            await _aclose(opened)
            talk.close()

    async def close(self) -> None:
        """Close the connections to the server."""
        await self.http.aclose()


async def _aclose(opened: list[httpx.Response]) -> None:
    while opened:
        await opened.pop().aclose()


R_co = TypeVar("R_co", bound=SyncRunner | AsyncRunner, covariant=True)


class Bound(Generic[R_co]):
    """Something whose operations are carried out by a runner: at once, or to be awaited."""

    def __init__(self, runner: R_co) -> None:
        self._runner = runner

    @property
    def _policy(self) -> Policy:
        return self._runner.policy


class operation(Generic[P, T]):  # noqa: N801  used as a decorator
    """A method written as a plan. On a `Client` it returns the result; on an `AsyncClient` it is to be awaited."""

    def __init__(self, plan: Callable[Concatenate[Any, P], Plan[T]]) -> None:
        self.plan = plan
        update_wrapper(cast(Any, self), plan)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncRunner], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Bound[AsyncRunner], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance._runner.run(self.plan(instance, *args, **kwargs))

        return update_wrapper(run, self.plan)


def streaming(
    item: type[T],
) -> Callable[[Callable[Concatenate[Any, P], Stream]], _Streaming[P, T]]:
    """A method written as a stream of such items: iterated on a `Client`, with `async for` on an `AsyncClient`."""
    return _Streaming


class _Streaming(Generic[P, T]):
    def __init__(self, plan: Callable[Concatenate[Any, P], Stream]) -> None:
        self.plan = plan
        update_wrapper(cast(Any, self), plan)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncRunner], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Bound[AsyncRunner], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        def iterate(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance._runner.iterate(self.plan(instance, *args, **kwargs))

        return update_wrapper(iterate, self.plan)
