"""The stream over which an agent gets its work: server-sent events, one delivery a frame.

Two kinds of clients read it. One that reads as the frames come is held open while a delivery sent on it is
unfinished, so that the death of its process closes the socket and releases the lease at once. One that parses only
when the response has ended gets its frames and the end; its lease outlives the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
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
from intents.realtime.mailbox import Closing, Mailbox, Visitor
from intents.realtime.reception import agent_for
from intents.realtime.sessions import remember, session_of
from intents.records import Lease

#: How long a stream to a client that parses only at the end is held after it has sent something.
LINGER_SECONDS = 0.7
#: How many deliveries such a client is given at a time, if its agent takes no more by itself.
BUFFERED_ROOM = 50
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
    is_incremental = reads_as_it_comes(request)
    mailbox = Mailbox(
        agent.agent_id,
        Visitor(
            caller,
            Transport.SSE if is_incremental else Transport.SSE_BUFFERED,
            (request.headers.get("x-axme-client") or request.headers.get("user-agent") or "")[:200],
            request.META.get("REMOTE_ADDR") or "",
        ),
        room=agent.max_in_flight if is_incremental else max(agent.max_in_flight, BUFFERED_ROOM),
        seconds=settings.PERDURE_LEASE_SECONDS if is_incremental else settings.PERDURE_VISIBILITY_SECONDS,
        is_detached=not is_incremental,
        is_renewed=is_incremental,
        session=session,
    )
    # A process that starts behind what an earlier one was given has replaced it.
    await coalescer.take_over(agent.agent_id, since, session)
    response = sse.stream(_frames(mailbox, since, wait_seconds))
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


def _statuses(request: HttpRequest) -> frozenset[Status]:
    try:
        return frozenset(
            Status(each.strip().upper()) for each in request.GET.get("status", "").split(",") if each.strip()
        )
    except ValueError:
        raise Invalid("status names a status that does not exist") from None


async def _frames(mailbox: Mailbox, since: int, wait_seconds: int) -> AsyncIterator[bytes]:
    """Each delivery as it is leased to this connection, until there was nothing to do for `wait_seconds`."""
    here = runtime.current()
    key_id = mailbox.visitor.caller.key_id
    last, spoke_at = since, monotonic()
    ends_at = spoke_at + wait_seconds
    was_busy = False
    here.dispatcher.open(mailbox)
    here.welcome(key_id, mailbox)
    try:
        while not mailbox.closing:
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
                mailbox.let_more_in()
                here.dispatcher.ring([mailbox.agent_id])
                ends_at, patience = monotonic() + wait_seconds, wait_seconds
            silence = sse.KEEP_ALIVE_SECONDS if is_busy else sse.IDLE_KEEP_ALIVE_SECONDS
            await mailbox.news(min(patience, max(0.0, spoke_at + silence - monotonic())))
            if monotonic() - spoke_at >= silence:
                yield sse.KEEP_ALIVE
                spoke_at = monotonic()
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
