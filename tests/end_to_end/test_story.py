"""The seed's story: an agent is killed in the middle of its work, comes back, and the work completes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.actors import Actor, agent, socket_agent, submitter
from tests.live import Account, Operator, verify_history
from tests.servers import Perdure


def test_work_of_a_killed_agent_completes_when_it_is_back(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    with submitter(worker, operator.key, commons, "--count", "1", "--wait") as sender:
        intent_id = sender.hear("accepted")["intent_id"]
        with agent(worker, commons, "--halt-at", "answering") as first:
            assert first.hear("delivered")["delivery"]["delivery_attempt"] == 1
            first.hear("halted")
            first.kill()
            assert operator.status(intent_id) == "IN_PROGRESS"
        with agent(worker, commons) as second:
            delivery = second.hear("delivered", 20)["delivery"]
            second.hear("done")
        ending = sender.hear("ended")["event"]

    assert (delivery["delivery_attempt"], delivery["redelivery"]) == (2, True)
    assert (ending["event_type"], ending["status"]) == ("intent.completed", "COMPLETED")
    assert ending["data"]["saw"] == {"number": 0}
    assert operator.story(intent_id) == [
        "created", "submitted", "delivered", "acknowledged", "in_progress", "in_progress", "completed",
    ]  # fmt: skip
    assert operator.intent(intent_id)["delivery_attempt"] == 2


def test_redelivery_takes_no_longer_than_the_agents_own_start(
    commons: Perdure, operator: Operator, worker: Account
) -> None:
    intent_id = operator.submit(worker)
    with agent(worker, commons, "--halt-at", "working") as first:
        first.hear("halted")
    with agent(worker, commons) as second:
        listening = second.hear("listening")["at"]
        delivered = second.hear("delivered")["at"]
        operator.wait_for(intent_id, "COMPLETED")

    assert delivered - listening < 5  # not the 30 s of a lease


def test_the_same_over_the_websocket(commons: Perdure, operator: Operator, worker: Account) -> None:
    intent_id = operator.submit(worker, {"rows": 3})
    with socket_agent(worker, commons, "--halt-at", "working") as first:
        first.hear("halted")
    with socket_agent(worker, commons) as second:
        listening = second.hear("listening")["at"]
        heard = second.hear("delivered", 20)
        second.hear("done")

    assert heard["at"] - listening < 5
    assert (heard["delivery"]["attempt"], heard["delivery"]["redelivery"]) == (2, True)
    ended = operator.wait_for(intent_id, "COMPLETED")
    assert ended["result"]["saw"] == {"rows": 3}
    assert operator.story(intent_id) == [
        "created", "submitted", "delivered", "acknowledged", "in_progress", "in_progress", "completed",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def on_daphne() -> Iterator[Perdure]:
    with Perdure(web=1, server="daphne") as running:
        yield running
        verify_history(running)


@pytest.mark.parametrize("start", [agent, socket_agent])
def test_the_story_on_daphne(on_daphne: Perdure, start: Callable[..., Actor]) -> None:
    with Operator.of(on_daphne) as operator:
        worker = operator.register()
        intent_id = operator.submit(worker, {"rows": 3})
        with start(worker, on_daphne, "--halt-at", "working") as first:
            first.hear("halted")
        with start(worker, on_daphne) as second:
            delivery = second.hear("delivered", 20)["delivery"]
            second.hear("done")
        ended = operator.wait_for(intent_id, "COMPLETED")

    assert delivery["redelivery"] is True
    assert (ended["delivery_attempt"], ended["result"]["saw"]) == (2, {"rows": 3})
