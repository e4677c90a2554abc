"""An agent that hung (SIGSTOP) while another was given its work: what it says late is not recorded, and it is told."""

from __future__ import annotations

import signal

import pytest

from perdure import LeaseLost
from support.crew import Crew
from support.polling import wait_until


@pytest.mark.parametrize(("kind", "told"), [("sync", "LeaseLost"), ("async", "LeaseLostInTask")])
def test_the_handler_is_told_and_its_result_is_not_recorded(kind: str, told: str, crew: Crew) -> None:
    hung = crew.start(kind, notes="hung")
    intent = crew.submit("work", {"seconds": 600}, max_delivery_attempts=20)
    crew.wait_for("begin 1", name="hung")
    hung.signal(signal.SIGSTOP)
    crew.start(notes="other")
    _redelivered_to_the_other(crew, intent.id)

    hung.signal(signal.SIGCONT)

    wait_until(lambda: crew.notes("hung") == ["begin 1", told], what="the hung agent is told")
    crew.say_enough("other")
    assert crew.result(intent)["attempt"] > 1


def test_its_late_checkpoint_and_result_are_refused_by_the_server(crew: Crew) -> None:
    hung = crew.start(notes="hung")
    intent = crew.submit("late", max_delivery_attempts=20)
    wait_until(lambda: len(crew.notes("hung")) == 2, what="it is in the step")
    lease = crew.notes("hung")[0].removeprefix("lease ")
    hung.signal(signal.SIGSTOP)
    crew.start(notes="other")
    _redelivered_to_the_other(crew, intent.id)

    # Its step ends as soon as it goes on, and is saved over a request that knows of no interruption.
    crew.say_enough("hung")
    hung.signal(signal.SIGCONT)
    wait_until(lambda: len(crew.notes("hung")) == 3, what="its step is refused")
    assert crew.notes("hung")[2] == "refused: 409 lease_lost"
    with pytest.raises(LeaseLost) as refused:
        crew.client.request(
            "POST",
            f"/v1/intents/{intent.id}/resolve",
            json={"status": "COMPLETED", "result": {"late": True}},
            headers={"x-perdure-lease": lease},
        )
    assert (refused.value.status, refused.value.code) == (409, "lease_lost")
    assert crew.client.checkpoints.list(intent.id) == []

    crew.say_enough("other")
    result = crew.result(intent)
    assert result["attempt"] > 1
    [saved] = crew.client.checkpoints.list(intent.id)
    assert (saved["step"], saved["value"]) == ("slow", result["attempt"])


def _redelivered_to_the_other(crew: Crew, intent_id: str) -> None:
    """As an operator would have it, so that the test need not wait until the lease runs out."""
    wait_until(lambda: crew.is_connected("other"), what="the other is connected")
    crew.client.redeliver(intent_id)
    wait_until(lambda: crew.notes("other"), what="the other has it, and not the one that hangs")
