"""A workflow on its way through its steps. Pure: it says what is to be done, and whoever asked has it done.

A compiled step: {step_id, kind, next, on_failure, recipient?: {agent_id, address, name, role}, input, config,
deadline_seconds?, max_retries, retry_delay_seconds, attributes, remind_after_seconds?, escalate_to?}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from agents.ids import uuid7
from intents.lifecycle import EventType, WaitingReason
from intents.models.timer import TimerKind
from intents.notes import Alarm, Note
from intents.operations import document
from intents.records import Ending, Hold, Submission, Wait, Wake

Step = dict[str, Any]


class Kind(StrEnum):
    """What a step does."""

    AGENT = "agent"
    DELAY = "delay"
    TIMEOUT = "timeout"
    NOTIFICATION = "notification"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    CHECK = "check"


#: Kinds that are over as soon as they begin.
IMMEDIATE = frozenset({Kind.NOTIFICATION, Kind.REMINDER, Kind.ESCALATION, Kind.CHECK})
#: The runtime itself, where a step is with nobody else.
RUNTIME = {"type": "internal", "ref": "agent_core", "name": "agent_core"}


@dataclass
class Effects:
    """What is to be done about workflows that have moved, all in one transaction."""

    children: list[Submission] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)


@dataclass
class Parent:
    """What a workflow hands down from its parent intent to the children."""

    intent_id: UUID
    organization_id: UUID
    workspace_id: UUID
    sender_id: int | None
    intent_type: str
    correlation_id: UUID
    from_agent: str
    scenario_id: str
    max_delivery_attempts: int
    #: JSON text, handed down as it stands
    payload: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Parent:
        """The parent as a row or a submission tells of it."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass
class Flow:
    """One workflow: where it stands, and how it goes on."""

    parent: Parent
    steps: dict[str, Step]
    effects: Effects
    current_step: str | None = None
    child_id: UUID | None = None
    retries: int = 0
    results: dict[str, Any] = field(default_factory=dict)
    pending_with: dict[str, Any] | None = None
    #: How much time the step at hand has left, if it has a deadline.
    seconds_left: float | None = None
    #: The status that the parent reaches by the last move.
    status: str = ""

    @property
    def step(self) -> Step:
        assert self.current_step is not None
        return self.steps[self.current_step]

    def start(self, step_id: str | None) -> None:
        """Go on with a step, through all that are over at once; without one, the workflow is complete."""
        while step_id is not None:
            self.current_step, self.child_id, self.retries, self.seconds_left = step_id, None, 0, None
            kind = Kind(self.step["kind"])
            if kind not in IMMEDIATE:
                return self._ask_agent() if kind is Kind.AGENT else self._wait(kind)
            self.results[step_id] = self._do(kind)
            step_id = self.step["next"]
        return self._end(EventType.COMPLETED, {"result": self._result()})

    def succeed(self, result: Any) -> None:
        """The step at hand is done."""
        assert self.current_step is not None
        self.results[self.current_step] = result
        self.start(self.step["next"])

    def fail(self, error: dict[str, Any], *, is_final: bool = False, result: Any = None) -> None:
        """The step at hand has failed: try it again if its policy says so, else go where it says, else fail."""
        assert self.current_step is not None
        step = self.step
        has_time = self.seconds_left is None or self.seconds_left > step["retry_delay_seconds"]
        if not is_final and has_time and self.retries < step["max_retries"]:
            self.retries += 1
            self._ask_agent(delay_seconds=step["retry_delay_seconds"], error=error)
            return
        error = {**error, "step_id": self.current_step}
        failure: dict[str, Any] = {"error": error} if result is None else {"error": error, "result": result}
        self.results[self.current_step] = failure
        if error.get("code") == "step_timeout" and step.get("escalate_to"):
            self._note(EventType.ESCALATED, escalated_to=step["escalate_to"])
        if step["on_failure"] is not None:
            self.start(step["on_failure"])
        else:
            self._end(EventType.FAILED, {**failure, "steps": self.results})

    def stop(self) -> None:
        """The parent has ended: so does whatever is still open."""
        if self.child_id is not None:
            hold = Hold(self.child_id, self.parent.organization_id)
            self.effects.endings.append(
                Ending(hold, EventType.CANCELED, {"reason": "the scenario has ended"})
            )
        self.current_step = self.child_id = self.pending_with = None

    def _ask_agent(self, delay_seconds: float = 0, error: dict[str, Any] | None = None) -> None:
        step, recipient = self.step, self.step["recipient"]
        self.child_id = uuid7()
        self.effects.children.append(self._child(self.child_id, step, recipient, delay_seconds))
        self.pending_with = {"type": "agent", "ref": recipient["address"], "name": recipient["name"]}
        details: dict[str, Any] = {
            "step_id": self.current_step,
            "pending_with": self.pending_with,
            "child_intent_id": str(self.child_id),
        }
        if error is not None:
            details |= {"step_retry": self.retries, "delay_seconds": delay_seconds, "error": error}
        self.effects.wakes.append(Wake(self._hold(), details))
        self.status = "IN_PROGRESS"

    def _child(
        self, child_id: UUID, step: Step, recipient: dict[str, Any], delay_seconds: float
    ) -> Submission:
        parent = self.parent
        payload = {
            "parent_payload": orjson.Fragment(parent.payload),
            "parent_intent_id": str(parent.intent_id),
            "scenario_id": parent.scenario_id,
            "step_id": self.current_step,
            "input": step["input"],
            "previous_results": self.results,
        }
        # A step's time counts from its first try; what is left of it goes to the next.
        seconds = step["deadline_seconds"] if self.seconds_left is None else math.ceil(self.seconds_left)
        return Submission(
            id=child_id,
            organization_id=parent.organization_id,
            workspace_id=parent.workspace_id,
            recipient_id=recipient["agent_id"],
            sender_id=parent.sender_id,
            intent_type=parent.intent_type,
            correlation_id=parent.correlation_id,
            to_agent=recipient["address"],
            from_agent=parent.from_agent,
            actor="system",
            payload=document(payload),
            attributes=document(step["attributes"]),
            parent_id=parent.intent_id,
            scenario_id=parent.scenario_id,
            step_id=self.current_step,
            ttl_seconds=seconds,
            remind_after_seconds=step["remind_after_seconds"],
            max_delivery_attempts=parent.max_delivery_attempts,
            delay_seconds=delay_seconds,
        )

    def _wait(self, kind: Kind) -> None:
        seconds = self.step["config"]["seconds"]
        timer = TimerKind.WAKE if kind is Kind.DELAY else TimerKind.STEP_DEADLINE
        data = {"step_id": self.current_step}
        self.pending_with = RUNTIME
        details = {**data, "pending_with": RUNTIME, "seconds": seconds}
        self.effects.waits.append(Wait(self.parent.intent_id, WaitingReason.TIME, details=details))
        self.effects.alarms.append(Alarm(self.parent.intent_id, timer, seconds, data))
        self.status = "WAITING"

    def _do(self, kind: Kind) -> dict[str, Any]:
        """Do what is done at once, and say what came of it."""
        config = self.step["config"]
        if kind is Kind.REMINDER:
            self._note(EventType.REMINDER)
            return {"reminded": True}
        if kind is Kind.ESCALATION:
            self._note(EventType.ESCALATED, escalated_to=self.step["escalate_to"])
            return {"escalated_to": self.step["escalate_to"]}
        if kind is Kind.NOTIFICATION:
            # On the timeline is where it is told; nothing is sent anywhere else.
            told = {name: config[name] for name in ("to", "subject", "body", "channels") if name in config}
            self._note(EventType.TRANSFER, notification=told)
            return {"recorded": True}
        self._note(EventType.TRANSFER, check=self.step["tool_id"])
        return {"passed": True}

    def _note(self, event: EventType, **details: Any) -> None:
        details = {"step_id": self.current_step, **details}
        self.effects.notes.append(Note(self.parent.intent_id, event, details))

    def _end(self, event: EventType, details: dict[str, Any]) -> None:
        self.current_step = self.child_id = self.pending_with = None
        self.effects.endings.append(Ending(self._hold(), event, details))
        self.status = "COMPLETED" if event is EventType.COMPLETED else "FAILED"

    def _result(self) -> dict[str, Any]:
        """The last step's result, and that of each step."""
        last = self.results.get(self.current_step or "")
        if isinstance(last, dict):
            return {**last, "steps": self.results}
        return {"steps": self.results} if last is None else {"result": last, "steps": self.results}

    def _hold(self) -> Hold:
        return Hold(self.parent.intent_id, self.parent.organization_id)
