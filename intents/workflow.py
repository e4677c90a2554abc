"""Scenarios as they run: a parent intent goes through its steps, each agent's step a child intent.

Nothing is kept in memory: whatever ends a child moves its parent in the same transaction. The row of the workflow is
the lock: what ends at once is moved one after the other, and a child that ends after its parent moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from orjson import loads

from intents import coalescer, notes, operations, policing
from intents.flow import Effects, Flow, Parent, Step
from intents.lifecycle import EventType
from intents.models.timer import TimerKind
from intents.operations import Steps, document
from intents.records import Row, Submission, Submitted
from intents.signals import Changes


def steps_ended(ended: Sequence[tuple[Row, dict[str, Any]]], changes: Changes) -> Steps[None]:
    """Move the workflows whose parent or child intents have just ended."""
    parents = {row["intent_id"] for row, _ in ended if row["parent_id"] is None}
    children = {row["intent_id"]: (row, details) for row, details in ended if row["parent_id"] is not None}
    effects = Effects()
    flows = yield from _lock(parents | {row["parent_id"] for row, _ in children.values()}, effects)
    moved = []
    for flow in flows:
        if flow.current_step is None:
            continue
        if flow.parent.intent_id in parents:
            flow.stop()
            moved.append(flow)
        # Of the children, only that of the step at hand counts.
        elif flow.child_id in children:
            row, details = children[flow.child_id]
            _child_ended(flow, EventType(row["type"]), details)
            moved.append(flow)
    yield from _move(moved, effects, changes)


def timers_due(due: Sequence[Row], changes: Changes) -> Steps[None]:
    """Move the workflows whose waiting is over: a delay is done, a step whose time is up has failed."""
    timers = {row["intent_id"]: row for row in due}
    effects = Effects()
    moved = []
    for flow in (yield from _lock(timers.keys(), effects)):
        timer = timers[flow.parent.intent_id]
        if flow.current_step is None or flow.current_step != timer["data"].get("step_id"):
            continue
        if timer["kind"] == TimerKind.WAKE:
            flow.succeed({"waited_seconds": flow.step["config"]["seconds"]})
        else:
            flow.fail(_timeout(), is_final=True)
        moved.append(flow)
    yield from _move(moved, effects, changes)


def plan(parent: Submission, steps: Sequence[Step], entry_step: str) -> Flow:
    """The workflow of an intent to be submitted, at its first step: what it will do, with nothing done yet."""
    handed_down = Parent.of({**asdict(parent), "intent_id": parent.id})
    flow = Flow(handed_down, {step["step_id"]: step for step in steps}, Effects())
    flow.start(entry_step)
    return flow


def begin(parent: Submission, flow: Flow, compile_id: UUID, changes: Changes) -> Steps[Submitted]:
    """Submit the parent intent and start its first step. A repeated idempotency key starts nothing."""
    [submitted] = yield from policing.submit([parent], changes)
    if submitted.outcome != "done":
        return submitted
    yield (
        "begin_workflow",
        {
            "id": parent.id,
            "compile_id": compile_id,
            "steps": document(list(flow.steps.values())),
            "current_step": flow.current_step,
            "child_id": flow.child_id,
            "results": document(flow.results),
            "pending_with": flow.pending_with and document(flow.pending_with),
        },
    )
    yield from _do(flow.effects, changes)
    return submitted


async def pending_with(intent_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """With whom these parent intents are now: {type, ref, name}. Intents without a workflow are left out."""
    rows = await coalescer.read("pending_with", ids=list(intent_ids))
    return {row["intent_id"]: loads(row["pending_with"]) for row in rows}


def _child_ended(flow: Flow, event: EventType, details: Mapping[str, Any]) -> None:
    if event is EventType.COMPLETED:
        flow.succeed(details.get("result"))
    elif event is EventType.TIMED_OUT:
        flow.fail(_timeout(), is_final=True)
    elif event is EventType.CANCELED:
        reason = details.get("reason") or "The step was canceled."
        flow.fail({"code": "step_canceled", "message": reason}, is_final=True)
    else:
        error = details.get("error")
        if not isinstance(error, dict):
            error = {"code": "step_failed", "message": str(error or "The step failed.")}
        flow.fail(error, result=details.get("result"))


def _timeout() -> dict[str, Any]:
    return {
        "code": "step_timeout",
        "message": "The step's time was up before it had a result.",
        "category": "timeout",
        "retryable": True,
    }


def _lock(ids: Iterable[UUID], effects: Effects) -> Steps[list[Flow]]:
    rows = yield "lock_workflows", {"ids": list(ids)}
    return [
        Flow(
            parent=Parent.of(row),
            steps={step["step_id"]: step for step in loads(row["steps"])},
            effects=effects,
            current_step=row["current_step"],
            child_id=row["child_id"],
            retries=row["step_retries"],
            results=loads(row["results"]),
            seconds_left=row["seconds_left"],
        )
        for row in rows
    ]


def _move(flows: Sequence[Flow], effects: Effects, changes: Changes) -> Steps[None]:
    if not flows:
        return
    # First of all, so that endings below find workflows that have ended, and stop there.
    yield (
        "move_workflows",
        {
            "ids": [flow.parent.intent_id for flow in flows],
            "current_steps": [flow.current_step for flow in flows],
            "children": [flow.child_id for flow in flows],
            "retries": [flow.retries for flow in flows],
            "results": [document(flow.results) for flow in flows],
            "pending_with": [flow.pending_with and document(flow.pending_with) for flow in flows],
        },
    )
    yield from _do(effects, changes)


def _do(effects: Effects, changes: Changes) -> Steps[None]:
    """Have all of it done, one statement a kind."""
    yield from notes.note(effects.notes, changes)
    if effects.children:
        yield from operations.submit(effects.children, changes)
    if effects.wakes:
        yield from operations.wake(effects.wakes, changes)
    if effects.waits:
        yield from operations.wait(effects.waits, changes)
    yield from notes.set_timers(effects.alarms)
    if effects.endings:
        yield from operations.finish(effects.endings, changes)
