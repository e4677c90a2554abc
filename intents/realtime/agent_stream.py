"""The stream over which an agent gets its work: server-sent events, one delivery a frame.

Two kinds of clients read it. One that reads as the frames come is held open while a delivery sent on it is
unfinished, so that the death of its process closes the socket and releases the lease at once. One that parses only
when the response has ended gets its frames and the end; its lease outlives the connection.

A client with `told=1` reads as the frames come, and is to this server what it would be on a websocket: it renews its
leases itself, is told of those that it lost and of intents that ended, and gets no more than it has room for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from math import floor
from time import monotonic
from typing import Any
from uuid import uuid4

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from agents.addresses import Recipient
from agents.caller import Caller
from agents.errors import Invalid, RateLimited
from agents.models import Transport
from intents import checkpoints, coalescer
from intents.lifecycle import OPEN, TERMINAL, Status
from intents.realtime import runtime, sse
from intents.realtime.frames import MOST_IN_FLIGHT
from intents.realtime.mailbox import Closing, Mailbox, Visitor
from intents.realtime.reception import agent_for
from intents.realtime.sessions import remember, session_of
from intents.realtime.submitter_socket import ending
from intents.records import Lease, Row

#: How long a stream to a client that parses only at the end is held after it has sent something.
LINGER_SECONDS = 0.7
#: How many deliveries such a client is given at a time, if its agent takes no more by itself.
BUFFERED_ROOM = 50
#: The largest body of the requests with which a client says what became of a delivery.
LARGEST_ANSWER = 128 * 1024
#: Event loops count in whole milliseconds, and wake a little early.
ROUNDING_SECONDS = 0.002
#: A payload larger than this is left out; some clients' line buffers hold 64 KB.
LARGEST_PAYLOAD = 32 * 1024


async def agent_stream(request: HttpRequest, caller: Caller, address: str) -> HttpResponseBase:
    """The deliveries of the agent at this address, from after the cursor `since` on.

    Raises:
        AgentNotFound, Forbidden: the address is unknown, or another agent's.
        Invalid: since, wait_seconds or status is not what it can be.
        RateLimited: the key has too many streams open.
    """
    since, wait_seconds = sse.since_of(request), sse.wait_seconds_of(request)
    statuses = _statuses(request)
    agent = await agent_for(caller, address)
    if runtime.current().connections_of(caller.key_id) >= settings.PERDURE_SSE_STREAMS_MAX:
        raise RateLimited("too many open streams", retry_after=1)
    if statuses and not statuses & OPEN:
        return sse.stream(_ended(agent, statuses, since, wait_seconds))
    known_session = session_of(request)
    session = known_session or uuid4()
    is_told = request.GET.get("told") == "1"
    is_incremental = is_told or reads_as_it_comes(request)
    room = _room(request, agent.max_in_flight)
    mailbox = Mailbox(
        agent.agent_id,
        Visitor(
            caller,
            Transport.SSE if is_incremental else Transport.SSE_BUFFERED,
            (request.headers.get("x-axme-client") or request.headers.get("user-agent") or "")[:200],
            request.META.get("REMOTE_ADDR") or "",
        ),
        room=room if is_incremental else max(room, BUFFERED_ROOM),
        seconds=settings.PERDURE_LEASE_SECONDS if is_incremental else settings.PERDURE_VISIBILITY_SECONDS,
        is_detached=not is_incremental,
        is_renewed=is_incremental and not is_told,
        session=session,
    )
    # A process that starts behind what an earlier one was given has replaced it.
    await coalescer.take_over(agent.agent_id, since, session)
    news = _News(mailbox, agent.address) if is_told else None
    response = sse.stream(_frames(mailbox, since, wait_seconds, news))
    if known_session is None:
        remember(response, session)
    return response


def reads_as_it_comes(request: HttpRequest) -> bool:
    """Whether this client handles each frame when it arrives, rather than all when the response has ended."""
    return (
        request.headers.get("user-agent", "").startswith("python-httpx")
        or request.headers.get("x-axme-client", "").startswith("axme-sdk-python")
        or request.GET.get("hold") == "1"
    )


def _room(request: HttpRequest, default: int) -> int:
    text = request.GET.get("max_in_flight", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_IN_FLIGHT):
        raise Invalid(f"max_in_flight must be a number from 1 to {MOST_IN_FLIGHT}")
    return int(text)


class _News:
    """What a client is told beside its deliveries; each frame is what the websocket's frame of that name is."""

    def __init__(self, mailbox: Mailbox, address: str) -> None:
        self.welcome = sse.frame(
            "delivery.welcome",
            {
                "address": address,
                "max_in_flight": mailbox.room,
                "lease_seconds": settings.PERDURE_LEASE_SECONDS,
                "heartbeat_seconds": settings.PERDURE_LEASE_SECONDS // runtime.RENEWALS_IN_A_LEASE,
                "max_body_bytes": LARGEST_ANSWER,
            },
        )
        self._untold: deque[bytes] = deque()
        mailbox.on_ended, mailbox.on_lost = self._ended, self._lost

    def take(self) -> list[bytes]:
        """What is to be told. Whatever was added has woken the mailbox: it was held there, and is not any more."""
        untold = list(self._untold)
        self._untold.clear()
        return untold

    def _ended(self, row: Row) -> None:
        said = {"intent_id": row["intent_id"], "status": row["status"], **ending(row)}
        self._untold.append(sse.frame("delivery.canceled", said))

    def _lost(self, lease: Lease) -> None:
        said = {"intent_id": lease.intent_id, "lease": lease.lease_token}
        self._untold.append(sse.frame("delivery.lease_lost", said))


def _statuses(request: HttpRequest) -> frozenset[Status]:
    try:
        return frozenset(
            Status(each.strip().upper()) for each in request.GET.get("status", "").split(",") if each.strip()
        )
    except ValueError:
        raise Invalid("status names a status that does not exist") from None


async def _frames(
    mailbox: Mailbox, since: int, wait_seconds: int, news: _News | None = None
) -> AsyncIterator[bytes]:
    """Each delivery as it is leased to this connection, until there was nothing to do for `wait_seconds`."""
    here = runtime.current()
    key_id = mailbox.visitor.caller.key_id
    last, spoke_at = since, monotonic()
    ends_at = spoke_at + wait_seconds
    was_busy = False
    here.dispatcher.open(mailbox)
    here.welcome(key_id, mailbox)
    try:
        if news is not None:
            yield news.welcome
        while not mailbox.closing:
            for told in news.take() if news is not None else ():
                yield told
                spoke_at = monotonic()
            for lease in mailbox.take():
                yield sse.frame(_event_type(lease), _data(lease), lease.cursor)
                last, spoke_at = max(last, lease.cursor), monotonic()
                ends_at = spoke_at + (LINGER_SECONDS if mailbox.is_detached else wait_seconds)
            is_busy = bool(mailbox.held) and not mailbox.is_detached
            if was_busy and not is_busy:  # then the client comes to read again
                ends_at = monotonic() + wait_seconds
            was_busy = is_busy
            patience = ends_at - monotonic()
            if patience <= 0:
                if not is_busy:
                    break
                if news is None:  # a client that is told says what becomes of each, or lets its lease run out
                    mailbox.let_more_in()
                    here.dispatcher.ring([mailbox.agent_id])
                ends_at, patience = monotonic() + wait_seconds, wait_seconds
            silence = sse.KEEP_ALIVE_SECONDS if is_busy else sse.IDLE_KEEP_ALIVE_SECONDS
            # At full seconds: thousands of idle streams speak together, and wake the process once instead of each.
            speaks_at = floor(spoke_at + silence)
            await mailbox.news(min(patience, max(0.0, speaks_at - monotonic())))
            if monotonic() >= speaks_at - ROUNDING_SECONDS:
                yield sse.KEEP_ALIVE
                spoke_at = monotonic()
                if news is not None:
                    here.dispatcher.doubt(mailbox)
        here.dispatcher.close(
            mailbox
        )  # before the goodbye: nothing comes any more that nobody would be told of
        if mailbox.closing is not Closing.REVOKED:
            yield sse.timeout_frame(last)
    finally:
        here.see_off(key_id, mailbox)
        here.dispatcher.close(mailbox)


async def _ended(
    agent: Recipient, statuses: frozenset[Status], since: int, wait_seconds: int
) -> AsyncIterator[bytes]:
    """The newest intents that ended so. To look at them is no delivery."""
    rows = await coalescer.read(
        "ended_of_agent", agent_id=agent.agent_id, statuses=sorted(statuses & TERMINAL)
    )
    for row in rows:
        body = {**row, "seq": since, "event_type": f"intent.{row['status'].lower()}", "redelivery": False}
        yield sse.frame(body["event_type"], body, since)
    yield sse.timeout_frame(since)


def _event_type(lease: Lease) -> str:
    return f"intent.{lease.status.lower()}"


def _data(lease: Lease) -> dict[str, Any]:
    data = {
        "intent_id": lease.intent_id,
        "seq": lease.cursor,
        "event_type": _event_type(lease),
        "status": lease.status,
        "at": lease.at,
        "intent_type": lease.intent_type,
        "from_agent": lease.from_agent,
        "to_agent": lease.to_agent,
        "correlation_id": lease.correlation_id,
        "delivery_attempt": lease.attempt,
        "max_delivery_attempts": lease.max_attempts,
        "redelivery": lease.attempt > 1 or lease.returns > 0,
        "lease_token": lease.lease_token,
        "checkpoint_count": lease.checkpoint_count,
        "checkpoints": checkpoints.within(lease.checkpoints, checkpoints.IN_STREAM),
    }
    if lease.traceparent:
        data["traceparent"] = lease.traceparent
    if len(lease.payload) <= LARGEST_PAYLOAD:
        data["payload"] = orjson.Fragment(lease.payload)
    return data
