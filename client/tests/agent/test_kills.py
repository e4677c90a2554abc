"""Fifty steps, and an agent that is killed within and behind each: no step that is done is done again."""

from __future__ import annotations

import os
from collections import Counter

from support.crew import Crew, Nursery, kill
from support.polling import wait_until

KILLS = int(os.environ.get("PERDURE_KILLS", "24"))
STEPS = 50
#: within each step, when its effect has happened and nothing is saved yet; and behind it
POINTS = [f"{kind} {number}" for number in range(STEPS) for kind in ("effect", "done")]


def test_killed_within_and_behind_steps_it_goes_on_where_it_was(crew: Crew) -> None:
    left, effects = KILLS, 0
    while left > 0:
        here = min(left, len(POINTS))
        effects += _one_life(crew, [POINTS[number * len(POINTS) // here] for number in range(here)])
        left -= here
    print(f"\n{KILLS} kills: no step that was done was done again, {effects} effects were repeated")


def test_a_program_killed_behind_the_47th_of_fifty_steps_has_fifty_effects_and_not_97(crew: Crew) -> None:
    assert _one_life(crew, ["done 46"]) == 0


def test_and_one_more_if_it_was_killed_within_the_47th(crew: Crew) -> None:
    assert _one_life(crew, ["effect 46"]) == 1


def _one_life(crew: Crew, points: list[str]) -> int:
    """One intent, whose agent is killed with SIGKILL at each of these points; how many effects were repeated for it."""
    before = len(crew.notes())
    intent = crew.submit("steps", {"steps": STEPS}, max_delivery_attempts=len(points) + 5)
    nursery = Nursery(crew.prepare("many"))
    for point in points:
        agent = nursery.begin(stop_at=point)
        wait_until(lambda: crew.notes()[before:][-1:] == [point], 60, point)  # noqa: B023
        kill(agent)
    last = nursery.begin()
    ended = crew.ended(intent)
    kill(last)

    assert ended.outcome() == {"sum": sum(number * number for number in range(STEPS))}
    # One that was killed before it had said that it began is given back, and does not count.
    assert ended.attempt <= len(points) + 1
    notes = crew.notes()[before:]
    within = [point for point in points if point.startswith("effect")]
    # Exactly one repetition for each death within a step, of that very step; behind a step none at all.
    assert Counter(line for line in notes if line.startswith("effect")) == Counter(
        [f"effect {number}" for number in range(STEPS)] + within
    )
    assert [line for line in notes if line.startswith("done")] == [
        f"done {number}" for number in range(STEPS)
    ]
    return len([line for line in notes if line.startswith("effect")]) - STEPS
