"""Policies in the ledger: of the intents that one concerns, those are recorded that it lets pass.

An agent's row says whether it has a policy, and submitting looks at that row anyway; so this costs nothing where there
is none. Where there is one it is locked, and the intents of that agent are judged one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Final

import orjson

from agents.allowance import Allowance
from agents.errors import ActionDenied, AgentKilled, ApiError, QuotaExceeded, Unavailable
from intents import operations, repetition
from intents.operations import Steps, document
from intents.records import Row, Submission, Submitted
from intents.signals import Changes

#: What is answered to a submission that a policy concerns, until it has been judged.
UNJUDGED: Final = "policed"


def submit(asked: Sequence[Submission], changes: Changes) -> Steps[list[Submitted]]:
    """Record intents, as far as policies let them pass. A repeated idempotency key answers as the first time."""
    answers = yield from operations.submit(asked, changes)
    places = unjudged(answers)
    if places:
        answered = yield from judged([asked[place] for place in places], changes)
        for place, answer in zip(places, answered, strict=True):
            answers[place] = answer
    return answers


def unjudged(answers: Iterable[Submitted]) -> list[int]:
    """Which of these submissions wait for a judgement."""
    return [place for place, answer in enumerate(answers) if answer.outcome == UNJUDGED]


def judged(asked: Sequence[Submission], changes: Changes) -> Steps[list[Submitted]]:
    """Record those of these intents that the policies of their senders and recipients let pass."""
    rows = yield "policies", {"agents": sorted({agent for each in asked for agent in _concerned(each)})}
    policies = {row["agent_id"]: _allowance(row) for row in rows}
    # Named requests are judged once; after that they are answered as they were.
    known = set((yield from repetition.remembered([each for each in asked if each.idempotency_key])))
    refused: dict[int, Submitted] = {}
    counted: dict[int, list[Allowance]] = {}
    for place, each in enumerate(asked):
        name = (each.sender_id, each.path, each.idempotency_key)
        if name in known:
            continue
        concerned = [policies[agent] for agent in _concerned(each) if agent in policies]
        if (refusal := _refusal(each, concerned)) is not None:
            refused[place] = refusal
        else:
            counted[place] = concerned
            if each.idempotency_key:
                known.add(name)
            _use(concerned, 1)
    passing = [place for place in range(len(asked)) if place not in refused]
    recorded = yield from _recorded([asked[place] for place in passing], changes)
    answers = refused | dict(zip(passing, recorded, strict=True))
    for place, concerned in counted.items():
        if answers[place].outcome != "done":
            _use(concerned, -1)
    if policies:
        yield _written_down(list(policies.values()))
    return [answers[place] for place in range(len(asked))]


def _recorded(asked: Sequence[Submission], changes: Changes) -> Steps[list[Submitted]]:
    if not asked:
        return []
    return (yield from operations.submit(asked, changes, is_judged=True))


def _concerned(asked: Submission) -> list[int]:
    """Whose policies an intent has to pass: its sender's and its recipient's, once if they are the same."""
    return list(dict.fromkeys(agent for agent in (asked.sender_id, asked.recipient_id) if agent is not None))


def _refusal(asked: Submission, policies: Iterable[Allowance]) -> Submitted | None:
    for policy in policies:
        if not policy.permits(asked.intent_type):
            details = {"agent": policy.address, "intent_type": asked.intent_type, "mode": policy.mode}
            return Submitted("action_denied", asked.id, policy.at, details=details)
        if (breach := policy.breach()) is not None:
            return Submitted("quota_exceeded", asked.id, policy.at, details=breach.details())
    return None


def _use(policies: Iterable[Allowance], number: int) -> None:
    for policy in policies:
        policy.use(number)


def _allowance(row: Row) -> Allowance:
    times = {
        name: row[name] and row[name].astimezone(UTC) for name in ("at", "this_hour", "today", "hour", "day")
    }
    return Allowance(**(row | times | {"told": orjson.loads(row["told"])}))


def _written_down(policies: Sequence[Allowance]) -> operations.Statement:
    news = [(policy.agent_id, breach) for policy in policies for breach in policy.news]
    details = [
        {**breach.details(), "action_on_breach": policy.action_on_breach}
        for policy in policies
        for breach in policy.news
    ]
    return (
        "use_policies",
        {
            "agents": [policy.agent_id for policy in policies],
            "hours": [policy.hour for policy in policies],
            "in_hours": [policy.intents_in_hour for policy in policies],
            "days": [policy.day for policy in policies],
            "in_days": [policy.intents_in_day for policy in policies],
            "tolds": [document(policy.told) for policy in policies],
            "breached": [agent_id for agent_id, _ in news],
            "breaches": [document(each) for each in details],
        },
    )


def refusal_of(answer: Submitted, asked: Submission) -> ApiError | None:
    """Why an intent was not recorded, if nothing is wrong with it: a kill switch, a policy, or the moment."""
    match answer.outcome:
        case "sender_killed":
            return AgentKilled(f"the sender is killed: {asked.actor}")
        case "recipient_killed":
            return AgentKilled(f"{asked.to_agent} is killed")
        case repetition.FORGOTTEN:
            return Unavailable("the idempotency key was being forgotten, send it again")
        case "action_denied":
            return ActionDenied(f"the policy does not let {asked.intent_type} pass", details=answer.details)
        case "quota_exceeded":
            assert answer.details is not None
            return QuotaExceeded(
                f"the limit {answer.details['dimension']} is used up", details=answer.details
            )
        case _:
            return None
