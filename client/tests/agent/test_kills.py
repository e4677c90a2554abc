"""Fifty steps, and an agent that is killed within and behind each: no step that is done is done again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from support.crew import AgentProcess, Crew
from support.polling import wait_until

KILLS = int(os.environ.get("PERDURE_KILLS", "24"))
STEPS = 50
#: within each step, when its effect has happened and nothing is saved yet; and behind it
POINTS = [f"{kind} {number}" for number in range(STEPS) for kind in ("effect", "done")]


def test_killed_at_steps_and_within_them_it_goes_on_where_it_was(crew: Crew) -> None:
    left = KILLS
    while left > 0:
        here = min(left, len(POINTS))
        _one_life(crew, [POINTS[number * len(POINTS) // here] for number in range(here)])
        left -= here


def _one_life(crew: Crew, points: list[str]) -> None:
    """One intent, whose agent is killed with SIGKILL at each of these points."""
    before = len(crew.notes())
    intent = crew.submit("steps", {"steps": STEPS}, max_delivery_attempts=len(points) + 5)
    for point, agent in zip(points, _prepared(crew, len(points)), strict=True):
        agent.begin(stop_at=point)
        wait_until(lambda: crew.notes()[before:][-1:] == [point], 60, point)  # noqa: B023
        agent.kill()
    last = crew.start()
    ended = crew.ended(intent)
    last.kill()

    assert ended.outcome() == {"sum": sum(number * number for number in range(STEPS))}
    # The killed attempts were attempts: none was given back, none was repeated.
    assert ended.attempt == len(points) + 1
    notes = crew.notes()[before:]
    within = [point for point in points if point.startswith("effect")]
    # Exactly one repetition for each death within a step, of that very step; behind a step none at all.
    assert Counter(line for line in notes if line.startswith("effect")) == Counter(
        [f"effect {number}" for number in range(STEPS)] + within
    )
    assert [line for line in notes if line.startswith("done")] == [
        f"done {number}" for number in range(STEPS)
    ]


def _prepared(crew: Crew, number: int) -> Iterator[AgentProcess]:
    """So many processes, each of which has loaded everything while the one before it was at work."""
    coming = crew.prepare()
    for left in range(number, 0, -1):
        agent = coming
        if left > 1:
            coming = crew.prepare()
        yield agent
