"""Policies in the ledger: what passes, what is refused and why, what is counted, and that nobody slips through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from agents import metrics, policies, postgres
from agents.models import ActionMode, Agent, AgentPolicy, MeshEvent, MeshEventType, OnBreach, Scope
from agents.postgres import in_thread
from intents import coalescer, ledger, repeating
from intents.models import Intent
from intents.records import Report, Submitted
from tests.factories import make_caller
from tests.intents.factories import hold, make_intent, make_recipient, slot, submission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent() -> Agent:
    return make_recipient()


def limit(agent: Agent, **limits: Any) -> None:
    policies.set_cost(agent, by=make_caller(agent, [Scope.OPERATE]), **limits)


def let(agent: Agent, mode: ActionMode, *intent_types: str) -> None:
    policies.set_action(agent, by=make_caller(agent, [Scope.OPERATE]), mode=mode, intent_types=intent_types)


def send(agent: Agent, number: int = 1, **fields: Any) -> list[str]:
    return [each.outcome for each in ledger.submit([submission(agent, **fields) for _ in range(number)])]


def breaches(agent: Agent) -> list[dict[str, Any]]:
    told = MeshEvent.objects.filter(agent=agent, type=MeshEventType.POLICY_BREACHED).order_by("id")
    return [event.details for event in told]


# -- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", ["intents_per_hour", "intents_per_day"])
def test_so_many_intents_pass_and_the_next_is_refused_with_the_reason(agent: Agent, dimension: str) -> None:
    limit(agent, **{f"max_{dimension}": 3})

    assert send(agent, 2) == ["done", "done"]
    assert send(agent, 3) == ["done", "quota_exceeded", "quota_exceeded"]

    [refused] = ledger.submit([submission(agent)])
    assert refused.details is not None
    until = refused.details.pop("reset_at")
    assert refused.details == {"dimension": dimension, "used": 3, "limit": 3}
    assert refused.created_at.isoformat() < until
    assert Intent.objects.count() == 3


def test_a_limit_counts_what_comes_from_the_agent_and_what_goes_to_it(agent: Agent) -> None:
    other = make_recipient(beside=agent)
    limit(agent, max_intents_per_day=2)

    assert send(other, sender_id=agent.pk) == ["done"]
    assert send(agent, sender_id=other.pk) == ["done"]
    assert send(other, sender_id=agent.pk) == ["quota_exceeded"]
    assert send(agent, sender_id=other.pk) == ["quota_exceeded"]
    assert send(other, sender_id=other.pk) == ["done"]


def test_what_was_not_recorded_uses_up_nothing(agent: Agent) -> None:
    limit(agent, max_intents_per_day=2)
    named: dict[str, Any] = {"idempotency_key": "once", "request_hash": b"it"}

    assert send(agent, **named) == ["done"]
    assert send(agent, **named) == ["repeated"]
    assert send(agent, 2, **named) == ["repeated", "repeated"]
    assert send(agent, 2, idempotency_key="twice", request_hash=b"it") == ["done", "repeated"]
    # What is repeated is answered as it was, whatever is used up.
    assert send(agent, **named) == ["repeated"]
    assert send(agent) == ["quota_exceeded"]
    assert AgentPolicy.objects.get().intents_in_day == 2


def test_cost_is_limited_as_it_is_reported(agent: Agent) -> None:
    limit(agent, max_cost_per_day_usd=Decimal("0.5"))
    metrics.add(agent.pk, cost_usd=0.25)
    assert send(agent) == ["done"]

    metrics.add(agent.pk, cost_usd=0.25)

    [refused] = ledger.submit([submission(agent)])
    assert refused.outcome == "quota_exceeded"
    assert refused.details is not None
    assert (refused.details["dimension"], refused.details["used"]) == ("cost_per_day_usd", 0.5)


def test_what_is_reported_of_intents_adds_up_by_agent_and_counts(agent: Agent) -> None:
    other = make_recipient(beside=agent)
    limit(agent, max_cost_per_day_usd=Decimal("0.3"))
    one, two, theirs = make_intent(agent), make_intent(agent), make_intent(other)
    ledger.claim([slot(agent, 2), slot(other)])
    by = {each.pk: hold(each, agent_id=each.recipient_id) for each in (one, two, theirs)}

    done = ledger.report(
        [
            Report(by[one.pk], {"cost_usd": 0.1}),
            Report(by[two.pk], {"cost_usd": 0.2, "tokens": 5}),
            Report(by[two.pk], {"tokens": 5}),
            Report(by[theirs.pk], {"cost_usd": 0.7}),
            Report(hold(theirs, agent_id=agent.pk), {"cost_usd": 100}),  # not its own
        ]
    )

    assert [each.outcome for each in done] == ["done"] * 4 + ["forbidden"]
    found = metrics.of_agents([agent.pk, other.pk], metrics.WINDOWS["day"])
    assert {key: each.cost_usd for key, each in found.items()} == {agent.pk: 0.3, other.pk: 0.7}
    assert send(agent) == ["quota_exceeded"]


def test_what_is_used_up_is_free_again_in_the_next_hour_and_on_the_next_day(agent: Agent) -> None:
    limit(agent, max_intents_per_hour=1, max_intents_per_day=2)
    assert send(agent, 2) == ["done", "quota_exceeded"]

    AgentPolicy.objects.update(hour="2020-01-01T00:00:00Z")
    assert send(agent, 2) == ["done", "quota_exceeded"]
    AgentPolicy.objects.update(hour="2020-01-01T00:00:00Z")
    assert send(agent) == ["quota_exceeded"]  # the day's
    AgentPolicy.objects.update(hour="2020-01-01T00:00:00Z", day="2020-01-01T00:00:00Z")
    assert send(agent) == ["done"]


def test_a_breach_is_told_of_once_as_long_as_it_lasts(agent: Agent) -> None:
    limit(agent, max_intents_per_day=1)

    send(agent, 5)
    send(agent, 5)

    [told] = breaches(agent)
    assert (told["dimension"], told["used"], told["limit"], told["action_on_breach"]) == (
        "intents_per_day",
        1,
        1,
        "block",
    )


def test_where_a_breach_is_only_told_of_everything_passes(agent: Agent) -> None:
    limit(agent, max_intents_per_day=1, action_on_breach=OnBreach.ALERT)

    assert send(agent, 3) == ["done"] * 3
    assert len(breaches(agent)) == 1
    assert AgentPolicy.objects.get().intents_in_day == 3


def test_a_limit_that_is_lifted_limits_nothing(agent: Agent) -> None:
    limit(agent, max_intents_per_day=0)
    assert send(agent) == ["quota_exceeded"]

    limit(agent)

    assert send(agent) == ["done"]
    agent.refresh_from_db()
    assert not agent.is_policed


def test_a_changed_limit_goes_on_counting(agent: Agent) -> None:
    limit(agent, max_intents_per_day=2)
    send(agent, 2)

    limit(agent, max_intents_per_day=3)

    assert send(agent, 2) == ["done", "quota_exceeded"]


# -- types --------------------------------------------------------------------------------------------------------


def test_denied_types_do_not_pass_in_either_direction_and_others_do(agent: Agent) -> None:
    other = make_recipient(beside=agent)
    let(agent, ActionMode.DENY, "billing.*", "mail.send.v1")

    outcomes = {
        kind: (
            send(agent, sender_id=other.pk, intent_type=kind),
            send(other, sender_id=agent.pk, intent_type=kind),
        )
        for kind in ("billing.charge.v1", "mail.send.v1", "mail.send.v2", "demo.work.v1")
    }

    assert outcomes == {
        "billing.charge.v1": (["action_denied"], ["action_denied"]),
        "mail.send.v1": (["action_denied"], ["action_denied"]),
        "mail.send.v2": (["done"], ["done"]),
        "demo.work.v1": (["done"], ["done"]),
    }


def test_where_some_types_are_allowed_no_other_passes(agent: Agent) -> None:
    let(agent, ActionMode.ALLOW, "demo.*")

    assert send(agent) == ["done"]
    [refused] = ledger.submit([submission(agent, intent_type="billing.charge.v1")])
    assert refused.outcome == "action_denied"
    assert refused.details == {"agent": agent.address, "intent_type": "billing.charge.v1", "mode": "allow"}
    let(agent, ActionMode.ALLOW)
    assert send(agent) == ["action_denied"]


# -- who is concerned ---------------------------------------------------------------------------------------------


def test_a_scenario_that_runs_is_not_judged(agent: Agent) -> None:
    parent = make_intent(agent, is_owed=False)
    limit(agent, max_intents_per_day=0)

    assert send(agent, parent_id=parent.pk) == ["done"]


def test_a_retry_is_judged_like_any_other_intent(agent: Agent) -> None:
    intent = make_intent(agent)
    intent.cancel(actor="test")
    intent.refresh_from_db()
    limit(agent, max_intents_per_day=0)

    answer = repeating.retry_many([intent], actor="test")[intent.pk]

    assert not isinstance(answer, Submitted)
    assert (answer.status, answer.code) == (429, "quota_exceeded")


def test_another_tenants_policy_concerns_nobody_here(agent: Agent) -> None:
    limit(make_recipient(), max_intents_per_day=0)

    assert send(agent) == ["done"]


def test_one_that_is_refused_does_not_spoil_its_neighbours(agent: Agent) -> None:
    limit(agent, max_intents_per_day=1)
    free = make_recipient()

    answers = ledger.submit([submission(each) for each in (free, agent, free, agent, free)])

    assert [each.outcome for each in answers] == ["done", "done", "done", "quota_exceeded", "done"]
    assert Intent.objects.count() == 4


def test_where_there_is_no_policy_no_statement_is_spent_on_it(agent: Agent) -> None:
    limit(make_recipient(), max_intents_per_day=0)

    with CaptureQueriesContext(connection) as queries:
        send(agent, 10)

    # What Django says before and after its transaction is not captured as a query of ours.
    texts = [query["sql"] for query in queries if "agents_agentpolicy" in query["sql"]]
    assert texts == []


# -- in company ---------------------------------------------------------------------------------------------------


def test_of_many_at_once_exactly_as_many_pass_as_may(agent: Agent) -> None:
    limit(agent, max_intents_per_day=10)

    def send_one(_: int) -> str:
        try:
            return send(agent)[0]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(send_one, range(24)))

    assert outcomes.count("done") == 10
    assert outcomes.count("quota_exceeded") == 14
    assert Intent.objects.count() == 10


async def test_in_company_those_that_are_judged_and_those_that_are_not_get_their_own_answers(
    agent: Agent,
) -> None:
    free = await in_thread(make_recipient)
    await in_thread(limit, agent, max_intents_per_day=1)
    asked = [
        submission(agent),
        submission(free),
        submission(agent),
        submission(agent, idempotency_key=str(uuid4()), payload='{"a": "\\u0000"}'),
        submission(free, payload='{"a": "\\u0000"}'),
    ]

    answers = await coalescer.current().submit.each(asked)

    shown = [each.outcome if isinstance(each, Submitted) else type(each).__name__ for each in answers]
    assert shown == ["done", "done", "quota_exceeded", "quota_exceeded", "UntranslatableCharacter"]
    await in_thread(limit, agent, max_intents_per_day=3)
    bad, good = submission(agent, payload='{"a": "\\u0000"}'), submission(agent)
    answers = await coalescer.current().submit.each([bad, good])
    assert [type(each).__name__ for each in answers] == ["UntranslatableCharacter", "Submitted"]
    assert await in_thread(lambda: AgentPolicy.objects.get(agent=agent).intents_in_day) == 2
    await postgres.close()
