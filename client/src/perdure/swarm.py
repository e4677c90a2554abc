"""Runs of OpenAI's Swarm that go on at the turn where they were killed.

    with perdure.steps(client, intent_id) as step:
        response = perdure.swarm.run(Swarm(), step, triage, messages, agents=[triage, refunds])

Swarm keeps nothing. Here, each turn (an answer of the model, and the functions that it calls) is a step of an intent:
a turn that is done is never done again. A turn within which the process dies is done once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarm import Agent, Swarm
from swarm.types import Response

from perdure import errors
from perdure.steps import Steps


def run(
    swarm: Swarm,
    step: Steps,
    agent: Agent,
    messages: Sequence[Mapping[str, Any]],
    *,
    agents: Iterable[Agent] = (),
    context_variables: Mapping[str, Any] | None = None,
    max_turns: float = math.inf,
    name: str = "turn",
    **options: Any,
) -> Response:
    """What `swarm.run` gives, from turns of which each is done once.

    `agents` has all that may be handed to: what is kept of an agent is its name. Context variables have to be JSON.
    Runs of one intent need names of their own. `max_turns` counts messages, as Swarm's does.

    Raises:
        errors.NotRecoverable: somebody is handed to who is not among `agents`, or something is not JSON.
    """
    if options.get("stream"):
        raise ValueError("a run that is kept cannot be streamed")
    known = _by_name([agent, *agents])
    active: Agent | None = agent
    context = dict(context_variables or {})
    added: list[dict[str, Any]] = []
    turn = 0
    while len(added) < max_turns and active is not None:
        turn += 1
        done = step(
            f"{name}-{turn}", _turn, swarm, active, [*messages, *added], context, tuple(known), options
        )
        added += done["messages"]
        context = done["context_variables"]
        active = _named(known, done["agent"])
        if not done["messages"][0].get("tool_calls") or not options.get("execute_tools", True):
            break
    return Response(messages=added, agent=active, context_variables=context)


def _turn(
    swarm: Swarm,
    agent: Agent,
    history: list[Mapping[str, Any]],
    context: dict[str, Any],
    names: Iterable[str],
    options: dict[str, Any],
) -> dict[str, Any]:
    """One answer of the model and what it calls, as it is kept."""
    made = swarm.run(agent, history, context_variables=context, max_turns=1, **options)
    next_name = made.agent.name if made.agent else None
    if next_name is not None and next_name not in names:
        raise errors.NotRecoverable(
            f"{agent.name} hands over to {next_name}, who is not among the agents of the run"
        )
    return {"messages": made.messages, "agent": next_name, "context_variables": made.context_variables}


def _by_name(agents: Iterable[Agent]) -> dict[str, Agent]:
    known: dict[str, Agent] = {}
    for each in agents:
        if known.setdefault(each.name, each) is not each:
            raise ValueError(f"two agents are named {each.name}: it could not be told which is meant")
    return known


def _named(known: Mapping[str, Agent], name: str | None) -> Agent | None:
    if name is None:
        return None
    if name not in known:
        raise errors.NotRecoverable(f"the run had come to {name}, who is not among its agents any more")
    return known[name]
