"""Whatever happens, in whatever order, run in whichever way: the ledger does what its model says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from agents import postgres
from tests.intents.ledger_world import Row, Step, World

#: The same histories each time, unless somebody asks for more: then new ones.
HISTORIES = int(os.environ.get("PERDURE_HISTORIES", "0"))
PROFILE = settings(
    max_examples=HISTORIES or 40,
    derandomize=not HISTORIES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)

#: Statements, the frequent ones more than once.
NAMES = (
    *["submit"] * 2, *["claim"] * 6, *["acknowledge"] * 2, *["checkpoint"] * 2, "extend", *["finish"] * 2,
    *["release"] * 5, "wait", *["wake"] * 2, "exhaust", "take_over", "expire_sessions", *["time_passes"] * 3,
)  # fmt: skip

rows = st.builds(
    Row,
    intent=st.integers(0, 7),
    # 0 another tenant, 1 another agent, 2 an operator, else the agent itself
    writer=st.integers(0, 7),
    # 0 no such token, 1 its first, 2-4 its last, 5-7 sessions
    credential=st.integers(0, 7),
    variant=st.integers(0, 7),
)
steps = st.builds(
    Step,
    name=st.sampled_from(NAMES),
    way=st.sampled_from(["now", "together", "apart"]),
    rows=st.lists(rows, min_size=1, max_size=6).map(tuple),
)
beginning = Step("submit", "now", tuple(Row(number, number, 7, 0) for number in range(5)))


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    with asyncio.Runner() as runner:
        yield World(runner)
        runner.run(postgres.close())


@PROFILE
@given(steps=st.integers(1, 60).flatmap(lambda length: st.lists(steps, min_size=length, max_size=length)))
def test_every_history_is_the_one_that_the_model_tells(world: World, steps: list[Step]) -> None:
    world.start()
    world.play(beginning)
    for step in steps:
        world.play(step)
