"""What an agent says over its websocket of work that goes on: steps that are saved, and what they have cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from django.conf import settings

from agents.errors import ApiError, Invalid
from intents import checkpoints, coalescer
from intents.errors import Outcome
from intents.realtime import frames
from intents.realtime.frame_socket import described
from intents.records import Done, Hold, Report, Row, Save, Saved
from intents.values import from_json

if TYPE_CHECKING:
    from intents.realtime.agent_socket import AgentSocket

Body = dict[str, Any]

#: The token of no lease at all: whoever gives none, and holds nothing, writes under this.
NO_LEASE: Final = UUID(int=0)


async def save(socket: AgentSocket, frame: frames.Checkpoint) -> None:
    """Save the steps that a frame has, and say of each what became of it."""
    asked = [_asked(socket, item) for item in frame.items]
    good = [each for each in asked if isinstance(each, Save)]
    written = iter(await coalescer.current().checkpoint.each(good))
    answers = [each if isinstance(each, ApiError) else next(written) for each in asked]
    stored = iter(checkpoints.sparing(_repeated(answers)))
    results = []
    for item, answer in zip(frame.items, answers, strict=True):
        result = {"intent_id": item.intent_id, "step": item.step}
        try:
            saved = _done(answer)
            checkpoints.check(saved)
        except ApiError as error:
            results.append({**result, "ok": False, "error": described(error)})
            continue
        is_created = saved.outcome is Outcome.DONE
        body = checkpoints.body(saved.checkpoint, has_value=False) if is_created else next(stored)
        results.append({**result, "ok": True, "created": is_created, "checkpoint": body})
    _let_go(socket, frame.items, answers)
    await socket.send_results(frame.ref, results)


async def report(socket: AgentSocket, frame: frames.Report) -> None:
    """Note what the work has cost, and say of each report what became of it."""
    asked = [Report(_hold(socket, item), item.given()) for item in frame.items]
    answers = await coalescer.current().report.each(asked)
    results: list[Body] = []
    for item, answer in zip(frame.items, answers, strict=True):
        try:
            done = _done(answer)
            done.outcome.check()
        except ApiError as error:
            results.append({"intent_id": item.intent_id, "ok": False, "error": described(error)})
        else:
            results.append({"intent_id": item.intent_id, "ok": True, "seq": done.seq})
    _let_go(socket, frame.items, answers)
    await socket.send_results(frame.ref, results)


def _asked(socket: AgentSocket, item: frames.Saving) -> Save | ApiError:
    """What is to be saved, or why it cannot be."""
    hold = _hold(socket, item)
    try:
        step = checkpoints.checked_step(item.step)
        value = from_json(item.fields(), largest=settings.PERDURE_VALUE_BYTES)
    except ApiError as error:
        return error
    return Save(hold, step, value.content_type, value.bytes)


def _hold(socket: AgentSocket, item: frames.Saving | frames.Reported) -> Hold:
    """What the connection writes under: the lease that it names, or else the one that it holds."""
    mailbox = socket.agent()
    caller = mailbox.visitor.caller
    token = item.lease
    if token is None:
        lease = mailbox.held.get(item.intent_id)
        token = lease.lease_token if lease is not None else NO_LEASE
    return Hold(
        item.intent_id,
        caller.organization_id,
        agent_id=mailbox.agent_id,
        token=token,
        actor=caller.address,
    )


def _done(answer: Any) -> Any:
    """What became of one, unless that is an error.

    Raises:
        ApiError: it is.
    """
    if isinstance(answer, ApiError):
        raise answer
    if isinstance(answer, psycopg.Error):
        raise Invalid("it cannot be stored")
    return answer


def _repeated(answers: Iterable[object]) -> Iterator[Row]:
    for answer in answers:
        if isinstance(answer, Saved) and answer.outcome is Outcome.REPEATED:
            yield answer.checkpoint


def _let_go(
    socket: AgentSocket, items: Sequence[frames.Saving | frames.Reported], answers: Sequence[object]
) -> None:
    """What the connection has lost is not held any more, and makes room."""
    mailbox = socket.agent()
    for item, answer in zip(items, answers, strict=True):
        if not (isinstance(answer, Saved | Done) and answer.outcome is Outcome.LEASE_LOST):
            continue
        lease = mailbox.held.get(item.intent_id)
        if lease is not None and item.lease in (None, lease.lease_token):
            socket.here.dispatcher.settle(mailbox, item.intent_id)
