"""A figure says what is wanted of it and what of that is missed, and how much it changes."""

from __future__ import annotations

import pytest

from bench.report import Figure, latency


@pytest.mark.parametrize(
    ("wanted", "missed"),
    [
        ("≥ 15,000/s", ["≥ 15,000/s"]),
        ("≥ 12,000/s", []),
        ("ratio ≥ 6.5", ["ratio ≥ 6.5"]),
        ("ratio ≥ 6.0, ≤ 12000", []),
    ],
)
def test_a_rate_misses_what_it_does_not_reach(wanted: str, missed: list[str]) -> None:
    figure = Figure("single", 12_000, "lifecycles/s", ratio=6.0, wanted=wanted)

    assert figure.missed() == missed
    assert figure.facts()["missed"] == missed
    assert ("missed" in figure.line()) == bool(missed)


def test_each_half_of_a_latency_is_judged_by_itself() -> None:
    figure = Figure("start", 3.1, "ms", p99=5.9, wanted="p50 ≤ 3, p99 ≤ 6")

    assert figure.missed() == ["p50 ≤ 3"]


def test_what_was_not_measured_is_missed() -> None:
    assert Figure("start", 3.1, "ms", wanted="p99 ≤ 6").missed() == ["p99 ≤ 6"]


def test_a_wish_that_nobody_can_judge_is_an_error() -> None:
    with pytest.raises(ValueError, match="fast"):
        Figure("start", 3.1, "ms", wanted="fast").missed()


def test_a_latency_tells_how_much_its_parts_differ_in_the_order_in_which_they_came() -> None:
    figure = latency("start", [0.001] * 10 + [0.009] * 10, parts=2)

    assert figure.runs == [1.0, 9.0]
    assert figure.runs_p99 == [1.0, 9.0]
    assert latency("start", [0.001] * 10).runs == []
