"""Scenario bundles: reading them, saying what is wrong with them, and compiling their steps. Pure.

Unknown fields are accepted: bundles of other tools carry more. Tools are recognised by their names, as the protocol
lists them; an unknown tool that is assigned to an agent is that agent's task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from agents.moments import Moment
from intents.flow import IMMEDIATE, Kind, Step

AGENT_TOOLS = frozenset({"", "tool.agent.task.v1"})
HUMAN_TOOLS = frozenset({"tool.approval.human_signoff", "tool.human.approval.v1"})
TOOLS = {
    "tool.notification.notify_owner": Kind.NOTIFICATION,
    "tool.internal.notification": Kind.NOTIFICATION,
    "tool.internal.delay": Kind.DELAY,
    "tool.internal.escalation": Kind.ESCALATION,
    "tool.approval.check_window": Kind.CHECK,
    "tool.approval.risk_assessment": Kind.CHECK,
}
RUNTIME_TYPES = {
    kind.value: kind for kind in (Kind.NOTIFICATION, Kind.DELAY, Kind.TIMEOUT, Kind.REMINDER, Kind.ESCALATION)
}
LONGEST_WAIT_SECONDS = 366 * 24 * 3600

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Seconds = Annotated[int, Field(ge=1, le=LONGEST_WAIT_SECONDS)]
Text = Annotated[str, StringConstraints(max_length=2000)]
Address = Annotated[str, StringConstraints(min_length=2, max_length=383)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: Any) -> Any:
        """Some tools send every field they know, the unused ones empty."""
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None and value != ""}


class Retry(_Part):
    max_retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_delay_seconds: Annotated[int, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = 30


class _Reminded(_Part):
    remind_after_seconds: Seconds | None = None
    remind_interval_seconds: Seconds | None = None
    max_reminders: Annotated[int, Field(ge=1, le=10_000)] | None = None
    escalate_to: Annotated[str, StringConstraints(max_length=383)] | None = None

    def reminders(self) -> dict[str, Any]:
        """The wishes that an intent carries in its attributes."""
        wishes = {
            "remind_after_seconds": self.remind_after_seconds,
            "remind_interval_seconds": self.remind_interval_seconds,
            "max_reminders": self.max_reminders,
            "escalate_to": self.escalate_to or None,
        }
        return {name: value for name, value in wishes.items() if value is not None}


class AgentPart(_Part):
    role: Name
    address: Address
    display_name: Annotated[str, StringConstraints(max_length=255)] | None = None
    delivery_mode: Annotated[str, StringConstraints(pattern="^(stream|poll|http|inbox|internal)$")] | None = (
        None
    )
    callback_url: Annotated[str, StringConstraints(max_length=2048)] | None = None
    create_if_missing: bool = False


class HumanPart(_Part):
    role: Name
    contact: Text | None = None
    display_name: Text | None = None


class StepPart(_Reminded):
    step_id: Name
    tool_id: Text | None = None
    runtime_type: Text | None = None
    runtime_config: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    #: a role, or an address
    assigned_to: Annotated[str, StringConstraints(max_length=383)] | None = None
    requires_approval: bool = False
    step_deadline_seconds: Seconds | None = None
    retry: Retry | None = None
    input: dict[str, Any] | None = None
    human_task: dict[str, Any] | None = None
    on_success: Name | None = None
    on_failure: Name | None = None


class WorkflowPart(_Part):
    macro_id: Text | None = None
    parameters: dict[str, Any] | None = None
    entry_step: Name | None = None
    steps: Annotated[list[StepPart], Field(max_length=100)] = []


class IntentPart(_Reminded):
    type: Name
    payload: dict[str, Any] = {}
    deadline_at: Moment | None = None
    max_delivery_attempts: Annotated[int, Field(ge=1, le=1000)] = 3
    human_task: dict[str, Any] | None = None


class Bundle(_Part):
    """A scenario: who takes part, what they do one after the other, and with what it begins."""

    scenario_id: Annotated[
        str, StringConstraints(min_length=3, max_length=255, pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$")
    ]
    title: Text | None = None
    description: Text | None = None
    idempotency_key: Name | None = None
    agents: Annotated[list[AgentPart], Field(max_length=50)] = []
    humans: Annotated[list[HumanPart], Field(max_length=20)] = []
    workflow: WorkflowPart | None = None
    intent: IntentPart

    @property
    def steps(self) -> list[StepPart]:
        return self.workflow.steps if self.workflow else []

    def address_of(self, step: StepPart) -> str | None:
        """The address, as the bundle writes it, of the agent that a step is for; None if it is for none."""
        by_role = {agent.role: agent.address for agent in self.agents}
        if step.assigned_to is None:
            # One agent alone need not be named.
            return self.agents[0].address if len(self.agents) == 1 else None
        if step.assigned_to in by_role:
            return by_role[step.assigned_to]
        is_address = "/" in step.assigned_to or step.assigned_to in by_role.values()
        return step.assigned_to if is_address else None


def read(body: Mapping[str, Any]) -> tuple[Bundle | None, list[str]]:
    """Read a bundle: itself if it can be read, and what is wrong with it."""
    try:
        bundle = Bundle.model_validate(body)
    except ValidationError as error:
        return None, [_said(problem) for problem in error.errors(include_url=False)]
    errors = [*_of_the_whole(bundle)]
    for step in bundle.steps:
        errors += [f"step {step.step_id}: {problem}" for problem in _of_step(bundle, step)]
    if not errors and bundle.steps:
        errors += _endless(compile_steps(bundle, {}))
    return bundle, errors


def warnings(bundle: Bundle) -> list[str]:
    """What is noteworthy about a bundle that can be applied."""
    return [
        f"step {step.step_id}: unknown tool {step.tool_id}, taken for an agent's task"
        for step in bundle.steps
        if is_unknown_tool(step)
    ]


def kind_of(bundle: Bundle, step: StepPart) -> Kind | None:
    """What a step does; None if it waits for a human."""
    tool, runtime = step.tool_id or "", step.runtime_type or ""
    humans = {human.role for human in bundle.humans}
    if step.human_task or tool in HUMAN_TOOLS or runtime == "human_approval" or step.assigned_to in humans:
        return None
    kind = RUNTIME_TYPES.get(runtime) or TOOLS.get(tool) or Kind.AGENT
    if step.requires_approval and (kind is not Kind.AGENT or step.assigned_to is None):
        return None
    return kind


def is_unknown_tool(step: StepPart) -> bool:
    known = AGENT_TOOLS | HUMAN_TOOLS | TOOLS.keys()
    return not step.runtime_type and (step.tool_id or "") not in known


def compile_steps(bundle: Bundle, recipients: Mapping[str, Mapping[str, Any]]) -> list[Step]:
    """The steps as they are run; `recipients` says who is meant by each address of the bundle."""
    following: list[StepPart | None] = [*bundle.steps[1:], None]
    compiled = []
    for step, after in zip(bundle.steps, following, strict=True):
        kind = kind_of(bundle, step)
        assert kind is not None
        is_for_agent = kind is Kind.AGENT
        retry = step.retry if step.retry is not None and is_for_agent else Retry()
        attributes = step.reminders()
        if step.on_failure or step.requires_approval:
            # Here a result that says "rejected" is a failure, and not only a result.
            attributes["fails_on_rejection"] = True
        compiled.append(
            {
                "step_id": step.step_id,
                "kind": kind.value,
                "tool_id": step.tool_id or "",
                "next": step.on_success or (after.step_id if after else None),
                "on_failure": step.on_failure,
                "recipient": recipients.get(bundle.address_of(step) or "") if is_for_agent else None,
                "input": step.input or {},
                "config": _config(step),
                "deadline_seconds": step.step_deadline_seconds,
                "max_retries": retry.max_retries,
                "retry_delay_seconds": retry.retry_delay_seconds,
                "attributes": attributes,
                "remind_after_seconds": step.remind_after_seconds,
                "escalate_to": step.escalate_to or _config(step).get("escalate_to"),
            }
        )
    return compiled


def _config(step: StepPart) -> dict[str, Any]:
    return step.runtime_config or step.config or {}


def _of_the_whole(bundle: Bundle) -> Iterable[str]:
    roles = [*(agent.role for agent in bundle.agents), *(human.role for human in bundle.humans)]
    ids = [step.step_id for step in bundle.steps]
    yield from (f"role {role} is given twice" for role in _repeated(roles))
    yield from (f"step {step_id} is there twice" for step_id in _repeated(ids))
    if bundle.workflow is not None and not bundle.steps:
        if bundle.workflow.macro_id:
            yield f"workflow.macro_id: there is no macro {bundle.workflow.macro_id}; give its steps"
        else:
            yield "workflow: at least one step is needed"
    if bundle.workflow is not None and (entry := bundle.workflow.entry_step) and entry not in ids:
        yield f"workflow.entry_step: there is no step {entry}"
    if bundle.intent.human_task is not None and bundle.workflow is None:
        yield "intent.human_task: tasks for humans are not supported yet"
    elif bundle.workflow is None and not bundle.agents:
        yield "agents: an intent without a workflow needs an agent to go to"


def _of_step(bundle: Bundle, step: StepPart) -> Iterable[str]:
    ids = {each.step_id for each in bundle.steps}
    for name, target in ("on_success", step.on_success), ("on_failure", step.on_failure):
        if target is not None and target not in ids:
            yield f"{name}: there is no step {target}"
    kind = kind_of(bundle, step)
    if kind is None:
        yield "steps for humans are not supported yet"
    elif kind is Kind.AGENT and bundle.address_of(step) is None:
        who = f"{step.assigned_to} is no role of this bundle" if step.assigned_to else "names no agent"
        yield f"assigned_to: {who}"
    elif kind in (Kind.DELAY, Kind.TIMEOUT):
        seconds = _config(step).get("seconds")
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is None or not is_number or not 0 < seconds <= LONGEST_WAIT_SECONDS:
            yield f"config.seconds: must be a number above 0 and at most {LONGEST_WAIT_SECONDS}"
    elif kind is Kind.ESCALATION and not (step.escalate_to or _config(step).get("escalate_to")):
        yield "escalate_to: names nobody"


def _endless(steps: list[Step]) -> list[str]:
    """Cycles of steps that are all over at once would never come to an end."""
    by_id = {step["step_id"]: step for step in steps}
    immediate = {step_id for step_id, step in by_id.items() if step["kind"] in IMMEDIATE}
    for start in immediate:
        seen: set[str] = set()
        at: str | None = start
        while at is not None and at in immediate and at not in seen:
            seen.add(at)
            at = by_id[at]["next"]
        if at in seen:
            return [f"step {at}: leads back to itself without anything to wait for"]
    return []


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _said(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
