"""Agents that die or hang in the middle of their steps: what was saved is not done again."""

from __future__ import annotations

from tests.end_to_end.actors import Actor, step_agent
from tests.live import Account, Operator, in_database
from tests.servers import Perdure

STEPS = ["extract", "clean", "model", "report"]


def done(agent: Actor) -> list[str]:
    return [line["step"] for line in agent.heard("did")]


def test_an_agent_killed_at_its_third_step_is_followed_by_one_that_begins_there(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with step_agent(worker, commons, "--linger-before", "model") as first:
        first.hear("lingering")
        first.kill()
    with step_agent(worker, commons) as second:
        second.hear("done")

        assert done(second) == ["model", "report"]
        assert second.hear("delivered")["known"] == ["extract", "clean"]
    ended = operator.wait_for(intent_id, "COMPLETED")
    assert ended["result"] == {"steps": STEPS}
    assert [(each["step"], each["attempt"]) for each in ended["checkpoints"]] == [
        ("extract", 1), ("clean", 1), ("model", 2), ("report", 2),
    ]  # fmt: skip


def test_an_agent_that_was_stopped_for_longer_than_its_lease_saves_nothing_when_it_goes_on(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with step_agent(worker, commons, "--linger-before", "model") as stopped:
        stopped.hear("lingering")
        stopped.freeze()
        # The rest of the lease, without waiting for it.
        in_database(
            commons,
            "UPDATE intents_delivery SET lease_expires_at = now() - interval '1 second' WHERE intent_id = %s",
            intent_id,
        )
        with step_agent(worker, commons) as other:
            other.hear("done")
        before = operator.events(intent_id)
        stopped.thaw()

        assert stopped.hear("refused")["code"] in ("lease_lost", "intent_terminal")

    assert operator.events(intent_id) == before
    assert [each["attempt"] for each in operator.intent(intent_id)["checkpoints"]] == [1, 1, 2, 2]


def test_the_same_while_the_other_is_still_at_work(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with step_agent(worker, commons, "--linger-before", "model") as stopped:
        stopped.hear("lingering")
        stopped.freeze()
        in_database(
            commons,
            "UPDATE intents_delivery SET lease_expires_at = now() - interval '1 second' WHERE intent_id = %s",
            intent_id,
        )
        with step_agent(worker, commons, "--linger-before", "report") as other:
            other.hear("lingering")
            other.freeze()
            stopped.thaw()
            assert stopped.hear("refused")["code"] == "lease_lost"
            other.thaw()
            other.hear("done")

    assert [(each["step"], each["attempt"]) for each in operator.intent(intent_id)["checkpoints"]] == [
        ("extract", 1), ("clean", 1), ("model", 2), ("report", 2),
    ]  # fmt: skip
