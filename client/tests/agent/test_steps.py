"""Steps, reports and values of all sizes, of agents in real processes."""

from __future__ import annotations

import pytest

from perdure import PayloadTooLarge
from support.crew import Crew


def test_asynchronous_steps_run_side_by_side_and_are_done_once(crew: Crew) -> None:
    crew.start()
    result = crew.result(crew.submit("async_steps", {"fails_until": 2}))

    assert result["both"] == [2, 4]
    assert result["text"] == [0, 255]
    assert result["block"] == {"n": 3}
    assert sorted(result["before"]) == ["a", "b", "c", "d"]
    assert sorted(crew.notes()) == ["effect 1", "effect 2"]


def test_reports_add_up_and_are_events(crew: Crew) -> None:
    crew.start()
    intent = crew.submit("report")
    crew.ended(intent)

    events = list(crew.client.events(intent.id, follow=False))
    usage = [event.details["usage"] for event in events if "usage" in event.details]
    assert sorted(each["tokens"] for each in usage) == [23, 100]
    assert [each["cost_usd"] for each in usage] == [0.5, 0.5]
    assert {each["model"] for each in usage} == {"small-1"}


@pytest.mark.parametrize(
    "size", [60_000, 70_000, 1024 * 1024 - 2], ids=["in a frame", "by HTTP", "the largest"]
)
def test_a_value_of_up_to_1_mib_is_saved_and_read_again(size: int, crew: Crew) -> None:
    crew.start()
    intent = crew.submit("large", {"size": size, "fails_until": 2})

    result = crew.result(intent)
    assert (result["size"], result["before"]) == (size, ["value"])
    assert len(crew.client.checkpoints.get_raw(intent.id, "value")[0]) == size + 2


def test_a_larger_value_is_refused_by_name_and_says_the_limit(crew: Crew) -> None:
    crew.start()
    intent = crew.submit("large", {"size": 1024 * 1024 - 1}, max_delivery_attempts=1)

    ended = crew.ended(intent)
    assert ended.status == "FAILED"
    with pytest.raises(PayloadTooLarge) as refused:
        crew.client.checkpoints.put(crew.submit("none").id, "value", b"x" * (1024 * 1024 + 1))
    assert (refused.value.status, refused.value.details["limit"]) == (413, 1024 * 1024)
    [failed] = [
        event for event in crew.client.events(intent.id, follow=False) if event.details.get("released")
    ]
    assert failed.details["error"]["exception"] == "PayloadTooLarge"
