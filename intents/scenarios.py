"""Scenarios put to work: whoever is missing is provisioned, and the parent intent begins its first step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import orjson
from django.db import transaction

from agents import addresses, registry
from agents.addresses import Recipient
from agents.caller import Caller
from agents.errors import AgentKilled, Invalid
from agents.ids import uuid7
from agents.models import Agent, DeliveryMode, Scope, Workspace
from intents import bundle as bundles, ledger, policing, workflow
from intents.bundle import AgentPart, Bundle
from intents.errors import IdempotencyConflict
from intents.flow import Kind
from intents.operations import document
from intents.records import Submission, Submitted

#: Repetitions by the key in the body; those by the header are kept apart from them.
PATH = "/v1/scenarios/apply#bundle"
#: Whom the parent of a workflow is addressed to: nobody's delivery, the runtime takes it from step to step.
RUNTIME_NAME = "agent_core"


class Wanted(TypedDict, total=False):
    """Settings of an agent that a bundle names."""

    display_name: str
    delivery_mode: str
    callback_url: str


@dataclass(frozen=True)
class Participant:
    """An agent of the bundle, as it was found or made."""

    part: AgentPart
    agent: Agent
    is_new: bool
    #: signs callbacks; only here when it has just been made
    callback_secret: str = ""

    def shown(self) -> dict[str, Any]:
        return {
            "role": self.part.role,
            "address": self.agent.address,
            "service_account_id": self.agent.service_account_id,
            "created": self.is_new,
        }


async def found(bundle: Bundle, caller: Caller) -> dict[str, Recipient]:
    """Whom the addresses of the bundle mean to the caller; those that are to be created may be missing.

    Raises:
        AgentNotFound, InvalidAgentAddress: an address leads nowhere, for this caller.
    """
    to_create = {part.address for part in bundle.agents if part.create_if_missing}
    others = {part.address for part in bundle.agents} - to_create
    for step in bundle.steps:
        if (address := bundle.address_of(step)) and address not in to_create:
            others.add(address)
    outcomes = {
        **await addresses.resolve_many(to_create, caller=caller, create=False),
        **await addresses.resolve_many(others, caller=caller),
    }
    known: dict[str, Recipient] = {}
    for text, outcome in outcomes.items():
        if isinstance(outcome, Recipient):
            known[text] = outcome
        elif text not in to_create or outcome.code != "agent_not_found":
            raise outcome
    return known


def apply(
    bundle: Bundle, body: Mapping[str, Any], caller: Caller, known: dict[str, Recipient]
) -> dict[str, Any]:
    """Provision the agents, submit the parent intent and start its first step, all in one transaction.

    Raises:
        Forbidden: agents would have to be created or changed, and the caller is no administrator.
        Invalid: the deadline has passed, or an agent cannot be created.
        IdempotencyConflict: the bundle's key was used for another bundle.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_related("organization").get(pk=caller.workspace_id)
        _check_switches(caller, known)
        participants = [_provision(part, caller, workspace, known) for part in bundle.agents]
        recipients = {address: _recipient(recipient) for address, recipient in known.items()}
        recipients |= {each.part.address: _recipient_of(each.agent) for each in participants}
        return _submit(bundle, body, caller, participants, recipients, _runtime(workspace))


def _check_switches(caller: Caller, known: dict[str, Recipient]) -> None:
    """Refuse what is from a killed agent, or for one. Scenarios that run go on, and wait where they come to one.

    Raises:
        AgentKilled: one is.
    """
    concerned = {caller.agent_id, *(recipient.agent_id for recipient in known.values())}
    killed = Agent.objects.filter(pk__in=concerned, killed_at__isnull=False).order_by("address").first()
    if killed is not None:
        raise AgentKilled(f"{killed.address} is killed")


def _submit(
    bundle: Bundle,
    body: Mapping[str, Any],
    caller: Caller,
    participants: list[Participant],
    recipients: Mapping[str, Mapping[str, Any]],
    runtime: Agent,
) -> dict[str, Any]:
    parent = _parent(bundle, caller, runtime if bundle.steps else participants[0].agent)
    compile_id = uuid7()
    answer: dict[str, Any] = {
        "ok": True,
        "intent_id": str(parent.id),
        "scenario_id": bundle.scenario_id,
        # Owed to its agent; the protocol has no other word for it in this answer.
        "status": "DELIVERED",
        "pending_with": _role(bundle, None),
        "compile_id": str(compile_id),
        "workflow_compile_id": str(compile_id),
        "idempotent": False,
        "agents": [each.shown() for each in participants],
        "agents_provisioned": [each.shown() for each in participants],
        "warnings": _warnings(bundle, participants),
    }
    if bundle.intent.deadline_at is not None:
        answer["deadline_at"] = _time(bundle.intent.deadline_at)
    if not bundle.steps:
        _name_request(parent, bundle, body, answer)
        [submitted] = ledger.submit([parent])
    else:
        assert bundle.workflow is not None
        steps = bundles.compile_steps(bundle, recipients)
        flow = workflow.plan(parent, steps, bundle.workflow.entry_step or bundle.steps[0].step_id)
        answer |= {"status": flow.status, "pending_with": _role(bundle, flow.current_step)}
        _name_request(parent, bundle, body, answer)
        submitted = ledger.run(lambda changes: workflow.begin(parent, flow, compile_id, changes))
    return _answered(submitted, parent, answer, participants)


def _answered(
    submitted: Submitted, asked: Submission, answer: dict[str, Any], participants: list[Participant]
) -> dict[str, Any]:
    if submitted.outcome == "conflict":
        raise IdempotencyConflict
    if (refusal := policing.refusal_of(submitted, asked)) is not None:
        raise refusal
    if submitted.outcome == "deadline_passed":
        raise Invalid("intent.deadline_at: lies in the past")
    if submitted.response is not None:
        answer = {**submitted.response, "idempotent": True}
    for shown, each in zip(answer["agents_provisioned"], participants, strict=True):
        # Not part of what is kept for a repetition: it is shown once.
        if each.callback_secret:
            shown["callback_secret"] = each.callback_secret
    return {**answer, "created_at": _time(submitted.created_at)}


def _parent(bundle: Bundle, caller: Caller, recipient: Agent) -> Submission:
    wish = bundle.intent
    return Submission(
        id=uuid7(),
        organization_id=caller.organization_id,
        workspace_id=caller.workspace_id,
        recipient_id=recipient.pk,
        sender_id=caller.agent_id,
        intent_type=wish.type,
        correlation_id=uuid7(),
        to_agent=recipient.address,
        from_agent=caller.address,
        actor=caller.address,
        payload=document(wish.payload),
        attributes=document(wish.reminders()),
        scenario_id=bundle.scenario_id,
        deadline_at=wish.deadline_at,
        remind_after_seconds=wish.remind_after_seconds,
        max_delivery_attempts=wish.max_delivery_attempts,
        is_owed=not bundle.steps,
    )


def _name_request(
    parent: Submission, bundle: Bundle, body: Mapping[str, Any], answer: dict[str, Any]
) -> None:
    if bundle.idempotency_key is not None:
        parent.idempotency_key = bundle.idempotency_key
        parent.path = PATH
        parent.request_hash = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
        parent.response = answer


def _provision(
    part: AgentPart, caller: Caller, workspace: Workspace, known: Mapping[str, Recipient]
) -> Participant:
    """The agent of a part of the bundle, made if it is to be, and set as the bundle wants it."""
    recipient = known.get(part.address)
    wanted = Wanted()
    if part.display_name:
        wanted["display_name"] = part.display_name
    if part.delivery_mode:
        wanted["delivery_mode"] = part.delivery_mode
    if part.callback_url:
        wanted["callback_url"] = part.callback_url
    if recipient is None or (part.create_if_missing and not recipient.is_registered):
        caller.require(Scope.ADMIN)
        made = registry.register(workspace, part.address, created_by=caller.address, **wanted)
        return Participant(part, made.agent, made.is_new, made.callback_secret)
    agent = Agent.objects.get(pk=recipient.agent_id, organization_id=caller.organization_id)
    if all(getattr(agent, name) == value for name, value in wanted.items()):
        return Participant(part, agent, is_new=False)
    caller.require(Scope.ADMIN)
    changed = registry.change(agent, **wanted)
    return Participant(part, changed.agent, is_new=False, callback_secret=changed.callback_secret)


def _runtime(workspace: Workspace) -> Agent:
    """The runtime's own address in the workspace."""
    agent, _ = Agent.objects.get_or_create(
        organization=workspace.organization,
        address=addresses.full(workspace.organization.slug, workspace.slug, RUNTIME_NAME),
        defaults={
            "workspace": workspace,
            "name": RUNTIME_NAME,
            "is_registered": False,
            "delivery_mode": DeliveryMode.INTERNAL,
        },
    )
    return agent


def _recipient(recipient: Recipient) -> dict[str, Any]:
    return {"agent_id": recipient.agent_id, "address": recipient.address, "name": recipient.name}


def _recipient_of(agent: Agent) -> dict[str, Any]:
    return {"agent_id": agent.pk, "address": agent.address, "name": agent.name}


def _role(bundle: Bundle, step_id: str | None) -> str:
    """With whom the scenario is now, as the bundle calls them."""
    if not bundle.steps:
        return bundle.agents[0].role
    steps = {step.step_id: step for step in bundle.steps}
    if step_id is None or (address := bundle.address_of(steps[step_id])) is None:
        return RUNTIME_NAME
    if bundles.kind_of(bundle, steps[step_id]) is not Kind.AGENT:
        return RUNTIME_NAME
    return next((part.role for part in bundle.agents if part.address == address), address)


def _warnings(bundle: Bundle, participants: list[Participant]) -> list[str]:
    unknown = [each.agent.address for each in participants if not each.agent.is_registered]
    return [
        *bundles.warnings(bundle),
        *(f"nobody has registered {address} yet; it waits for a listener" for address in unknown),
    ]


def _time(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")
