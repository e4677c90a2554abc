"""Serves the HTTP API: Django's handler without what makes it slow.

Django's `ASGIHandler` enters a thread-sensitive context for each request and hops through threads for signal
receivers, the error log and the closing of the response: ten times the cost of everything else. The views under
`/v1/` never touch the ORM's connection from the event loop, so none of that is needed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from agents.errors import ApiError, BadRequest
from controlplane import facts, idempotency, rate_limits
from controlplane.access_log import log_access
from controlplane.bodies import ClientLeft, Receive, Scope, Send, limit_of, read_body
from controlplane.envelope import answer_to, envelope
from controlplane.routes import Routes

Call = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
Middleware = Callable[[Call, HttpRequest], Awaitable[HttpResponseBase]]

#: Asynchronous only; the first is the outermost.
MIDDLEWARE: tuple[Middleware, ...] = (idempotency.once,)
#: A request that takes longer gets a watcher for its client's leaving; the quick ones need not pay for a task.
UNWATCHED_SECONDS = 0.05

CHUNK = 64 * 1024


class V1Request(ASGIRequest):
    """A request whose body has been read, within its limit."""

    def __init__(self, scope: Scope, body: bytes, known: facts.Facts) -> None:
        super().__init__(scope, None)  # type: ignore[arg-type]  # no stream: the body is here
        self._body = body
        self.facts = known
        self.trace_id, self.request_id = known.trace_id, known.request_id

    @property
    def auth(self) -> Any:
        """Who is asking; known to the log from then on."""
        return self._auth

    @auth.setter
    def auth(self, caller: Any) -> None:
        self._auth = caller
        self.facts.key_id = getattr(caller, "key_id", None)

    def close(self) -> None:
        """Nothing to close: no spooled file, no uploads."""


class Watch:
    """Cancels the task that serves a request as soon as its client leaves."""

    __slots__ = ("_listener", "_receive", "_task", "_timer", "client_left")

    def __init__(self, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        self.client_left = False
        self._receive = receive
        self._task = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = loop.call_later(UNWATCHED_SECONDS, self.begin)

    def begin(self) -> None:
        """Listen from now on, not only after a while."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        if self._task is not None:
            self._task.cancel()

    def end(self) -> None:
        """Stop listening: servers report the end of the answer as a disconnect too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None
        self._task = None


class V1Handler(ASGIHandler):
    """Answers every request with JSON or a stream, and stops working when its client leaves."""

    #: What it serves, and nothing else: pages are out of its reach.
    urlconf = "controlplane.edge_urls"

    def load_middleware(self, is_async: bool = True) -> None:
        """Build the chain from `MIDDLEWARE`; Django's own belongs to the pages."""
        call: Call = self.view
        for middleware in reversed(MIDDLEWARE):
            call = partial(self.guarded, partial(middleware, call))
        self.call = call
        self.routes = Routes(self.urlconf)
        self.prefix = settings.PERDURE_PATH_PREFIX
        self.insistence = _insistence()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        known = facts.Facts(
            scope["method"], path, _header(scope, b"x-trace-id"), is_secure=scope.get("scheme") == "https"
        )
        token = facts.current.set(known)
        if self.prefix:
            set_script_prefix(self.prefix)  # for what is reversed: live fragments are full of links
        try:
            await self.serve(scope, receive, send, known)
        finally:
            facts.current.reset(token)

    async def serve(self, scope: Scope, receive: Receive, send: Send, known: facts.Facts) -> None:
        """Read, answer, send."""
        try:
            body = await read_body(scope, receive, limit_of(known.path))
            request = _request(scope, body, known)
        except ClientLeft:
            return
        except ApiError as error:
            response: HttpResponseBase = answer_to(error)
            response["Connection"] = "close"  # the rest of the body is still on its way, and unwanted
            await self.send(response, send, known)
            return
        del body
        watch = Watch(receive)
        task = asyncio.current_task()
        is_stream = False
        try:
            response = await self.call(request)
            if is_stream := response.streaming and known.method != "HEAD":
                watch.begin()
                request._body = b""
                del request
                await self.stream(response, send, known, watch)
            else:
                watch.end()
                await self.send(response, send, known)
        except asyncio.CancelledError:
            if not watch.client_left or task is None:
                raise
            task.uncancel()
            log_access(known, 499, is_stream=is_stream)
        finally:
            watch.end()

    async def guarded(self, call: Call, request: HttpRequest) -> HttpResponseBase:
        """What `call` answers; an exception is an answer too."""
        try:
            return await call(request)
        except Exception as error:  # noqa: BLE001 (this is where all of them end)
            return answer_to(error)

    async def view(self, request: HttpRequest) -> HttpResponseBase:
        """Find the view and ask it."""
        try:
            match = self.routes.resolve(request.path_info)
            request.resolver_match = match
            if (known := facts.current.get()) is not None:
                known.route = match.route
            view = match.func
            if request.method == "HEAD":
                request.method = "GET"
            if not iscoroutinefunction(view):
                view = sync_to_async(view, thread_sensitive=False)
            allowance = await rate_limits.spend(request, match.route)
            response: HttpResponseBase = await view(request, *match.args, **match.kwargs)
            for name, left in allowance.items():
                response[name] = left
        except Exception as error:  # noqa: BLE001 (this is where all of them end)
            return answer_to(error)
        if response.status_code == 405:
            refused = envelope(405, f"{request.method} is not allowed here")
            refused["Allow"] = response.get("Allow", "")
            return refused
        return response

    async def send(self, response: HttpResponseBase, send: Send, known: facts.Facts) -> None:
        """Send a whole answer; of a stream (a HEAD request), only its head."""
        content = b"" if response.streaming else _content(response)
        headers = self.headers(response, known)
        if not response.streaming:
            headers.append((b"content-length", b"%d" % len(content)))
        status = response.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if known.method == "HEAD" else content})
        log_access(known, status)

    def headers(self, response: HttpResponseBase, known: facts.Facts) -> list[tuple[bytes, bytes]]:
        """The answer's headers, those that every answer has among them."""
        headers = [
            (name.encode("ascii").lower(), value.encode("latin1"))
            for name, value in response.items()
            if name != "Content-Length"
        ]
        headers.append((b"x-request-id", known.request_id.encode()))
        headers.append((b"x-trace-id", known.trace_id.encode()))
        if "Cache-Control" not in response.headers:
            headers.append((b"cache-control", b"no-store"))
        headers.append((b"x-content-type-options", b"nosniff"))
        if known.is_secure and self.insistence:
            headers.append((b"strict-transport-security", self.insistence))
        for cookie in response.cookies.values():
            headers.append((b"set-cookie", cookie.output(header="").strip().encode("ascii")))
        return headers

    async def stream(self, response: HttpResponseBase, send: Send, known: facts.Facts, watch: Watch) -> None:
        """Send each chunk as it comes; wait while the client reads slowly, close the generator when it leaves."""
        assert isinstance(response, StreamingHttpResponse)
        status = response.status_code
        try:
            async with aclosing(_chunks(response)) as chunks:
                headers = self.headers(response, known)
                await send({"type": "http.response.start", "status": status, "headers": headers})
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            watch.end()
            await send({"type": "http.response.body"})
        finally:
            response.close()
        log_access(known, status, is_stream=True)


def _request(scope: Scope, body: bytes, known: facts.Facts) -> V1Request:
    """The request, unless it holds what no route can mean and PostgreSQL cannot store."""
    if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise BadRequest("the URL contains the character U+0000")
    try:
        return V1Request(scope, body, known)
    except (ValueError, LookupError):  # UnicodeDecodeError among them
        raise BadRequest("the request's headers or query are malformed") from None


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value).decode("latin1")
    return ""


def _content(response: HttpResponseBase) -> bytes:
    assert isinstance(response, HttpResponse)
    return response.content


def _insistence() -> bytes:
    """What tells browsers to insist on HTTPS, as Django's middleware tells it with pages; nothing, if that is off."""
    if not settings.SECURE_HSTS_SECONDS:
        return b""
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    parts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
    parts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
    return "; ".join(parts).encode()


async def _chunks(response: StreamingHttpResponse) -> AsyncGenerator[bytes, None]:
    """The stream's chunks as bytes.

    Django wraps an async iterator twice, and closing the outermost wrapper leaves the innermost generator to the
    garbage collector. Here it is closed at once, so that a lease is released as soon as the client leaves.
    """
    source: Any = response._iterator if response.is_async else aiter(response)  # type: ignore[attr-defined]
    try:
        async for part in source:
            if part:
                yield part if isinstance(part, bytes) else response.make_bytes(part)
    finally:
        if (close := getattr(source, "aclose", None)) is not None:
            await close()
