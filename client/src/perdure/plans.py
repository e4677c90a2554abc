"""What to ask a server, and what to make of its answers, without doing any of it.

A *plan* is a generator. It yields effects (send this request, pause so long, read on) and is given what came of them.
`runners` carries plans out, blocking or awaiting; so each operation is written once, and tested without a network.
"""

from __future__ import annotations

import json as json_module
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from perdure import errors
from perdure.sse import SseDecoder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to be sent, and answered by a `Response`."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    #: for this request only, in seconds: how long the server may be silent
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A request whose answer comes in pieces. It is answered by a `Response`, whose content is empty if that is 200."""

    request: Request


@dataclass(frozen=True, slots=True)
class ReadOn:
    """The next bytes of the open stream; none when it has ended."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Give this to whoever iterates."""

    item: Any


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The content as JSON; None if it is none."""
        try:
            return json_module.loads(self.content)
        except ValueError:
            return None


class ConnectionFailed(Exception):
    """Thrown into a plan by its runner: no answer came. What was asked may have been done all the same."""


Effect: TypeAlias = Request | OpenStream | ReadOn | Pause | Emit
#: What leads to a T, by way of effects.
Plan: TypeAlias = Generator[Effect, Any, T]
#: The same, with items of type T on the way.
Stream: TypeAlias = Generator[Effect, Any, None]


@dataclass(frozen=True, slots=True)
class Policy:
    """How often, and for how long, to try again what may succeed the next time.

    An outage is tried out for `patience` seconds; the pauses grow from `first` to `longest` seconds, and each is
    shortened by chance, so that many clients do not come back at the same moment.
    """

    patience: float = 60.0
    first: float = 0.1
    longest: float = 5.0
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random  # not for secrets

    def pause(self, failures: int, asked_for: float | None = None) -> float:
        """How long to pause after so many failures in a row. What the server asked for is never undercut."""
        longest = min(self.longest, self.first * 2.0 ** min(failures, 20))
        backoff: float = longest * (0.5 + 0.5 * self.chance())
        return backoff if asked_for is None else asked_for + backoff * 0.2


#: Statuses that say: not now.
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
#: How long the server may be silent on a stream; it says something every 25 s at least.
STREAM_SILENCE = 40.0
#: A stream that ends sooner than this and has told nothing is not asked for again at once.
SHORT = 1.0


def request(
    method: str,
    path: str,
    *,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    idempotency_key: str | bool | None = None,
) -> Request:
    """A request as the server wants it.

    POST and PATCH get an idempotency key of their own, so that they can be sent again when no answer came: what they
    do is done once. `False` leaves it out, `True` asks for one also elsewhere.
    """
    all_headers = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    if json is not None:
        content = json_module.dumps(json, allow_nan=False, separators=(",", ":"), default=_plain).encode()
        all_headers.setdefault("content-type", "application/json")
    if idempotency_key is None:
        idempotency_key = method in ("POST", "PATCH")
    if idempotency_key and "idempotency-key" not in all_headers:
        all_headers["idempotency-key"] = (
            idempotency_key if isinstance(idempotency_key, str) else uuid.uuid4().hex
        )
    kept = {name: _text(value) for name, value in (params or {}).items() if value is not None}
    return Request(method, path, kept, all_headers, content)


def _plain(value: Any) -> Any:
    """Ids and times may be given as what they are."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def segment(text: object) -> str:
    """A text as one segment of a path, whatever is in it."""
    return quote(str(text), safe="")


def answered(asked: Request, policy: Policy) -> Plan[Response]:
    """The successful answer to a request that may be repeated, tried until it comes.

    Raises:
        errors.ApiError: the server refused.
        errors.Unavailable, errors.RateLimited: it kept saying `not now`, or nothing, for as long as the policy tries.
    """
    started, failures = policy.clock(), 0
    while True:
        try:
            response: Response = yield asked
        except ConnectionFailed as failure:
            error: errors.ApiError = unreachable(failure)
            retry_after = None
        else:
            if response.status < 300:
                return response
            error = refusal(response, asked.path)
            if response.status not in RETRYABLE or error.code == "quota_exceeded":
                raise error
            retry_after = _retry_after(response)
        pause = policy.pause(failures, retry_after)
        if policy.clock() + pause - started > policy.patience or (
            failures >= 3 and isinstance(error, errors.ServerError)
        ):
            raise error
        failures += 1
        yield Pause(pause)


def json_of(asked: Request, policy: Policy) -> Plan[dict[str, Any]]:
    """The JSON object that a request is answered with."""
    response = yield from answered(asked, policy)
    body = response.json()
    if not isinstance(body, dict):
        raise errors.ServerError(
            f"{asked.method} {asked.path}: the answer is no JSON object; is this a Perdure server?",
            status=response.status,
        )
    return body


def server_events(
    asked: Callable[[], Request], policy: Policy, *, deadline: float | None = None
) -> Generator[Effect, Any, None]:
    """Emit the events of a stream, asked for again whenever it ends. Ends only when the deadline has passed.

    `asked` is called for each connection, so that it can go on where the last one ended. An outage is tried out for as
    long as the policy says, and each sign of life begins that time anew. Streams that end at once and tell nothing are
    no outage, but asked for less and less often.
    """
    failures, empty, quiet_since = 0, 0, policy.clock()
    while deadline is None or policy.clock() < deadline:
        one = asked()
        retry_after = None
        decoder = SseDecoder()
        try:
            response: Response = yield OpenStream(one)
            if response.status == 200:
                failures, quiet_since = 0, policy.clock()
                opened_at, has_told = quiet_since, False
                while chunk := (yield ReadOn()):
                    quiet_since = policy.clock()
                    for event in decoder.feed(chunk):
                        has_told = has_told or event.name != "stream.timeout"
                        yield Emit(event)
                if has_told or policy.clock() - opened_at >= SHORT:
                    empty = 0
                else:
                    yield Pause(policy.pause(empty))
                    empty += 1
                continue
            error = refusal(response, one.path)
            if response.status not in RETRYABLE:
                raise error
            retry_after = _retry_after(response)
        except ConnectionFailed as failure:
            error = unreachable(failure)
        pause = policy.pause(failures, retry_after)
        if policy.clock() + pause - quiet_since > policy.patience:
            raise error
        failures += 1
        yield Pause(pause)


def unreachable(failure: BaseException) -> errors.Unavailable:
    """What a connection that failed is to a caller."""
    return errors.Unavailable(f"the server cannot be reached: {failure}", code="unreachable")


def refusal(response: Response, path: str) -> errors.ApiError:
    """What an answer that is no success is to a caller."""
    return errors.of_answer(
        response.status,
        response.json(),
        path=path,
        request_id=response.headers.get("x-request-id"),
        text=response.content[:500].decode("utf-8", "replace"),
    )


def _retry_after(response: Response) -> float | None:
    text = response.headers.get("retry-after", "")
    try:
        return min(max(float(text), 0.0), 3600.0) if text else None
    except ValueError:
        return None


def through(stream: Stream, each: Callable[[Any], Plan[bool]]) -> Plan[bool]:
    """Carry a stream on, but give each of its items to the plan `each` instead, which says whether that is enough."""
    reply: Any = None
    failure: BaseException | None = None
    try:
        while True:
            try:
                effect = stream.throw(failure) if failure is not None else stream.send(reply)
            except StopIteration:
                return False
            reply, failure = None, None
            if isinstance(effect, Emit):
                if (yield from each(effect.item)):
                    return True
                continue
            try:
                reply = yield effect
            except ConnectionFailed as error:
                failure = error
    finally:
        stream.close()


def first(stream: Stream, wanted: Callable[[T], bool]) -> Plan[T | None]:
    """The first item of a stream that is wanted; None if it ends before."""
    found: list[T] = []

    def look(item: T) -> Plan[bool]:
        if wanted(item):
            found.append(item)
        return bool(found)
        yield  # a plan, though it wants nothing

    yield from through(stream, look)
    return found[0] if found else None
