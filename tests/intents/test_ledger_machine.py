"""Whatever happens, in whatever order, run in whichever way: the ledger does what its model says.

A machine of Hypothesis makes up histories: what agents and operators write, the kill switch, retries, time. Each step
runs on the real ledger, on Django's connection or in company on the pool, and on a model in plain Python; both have to
answer the same and to leave the same. That it would notice is tried with statements that are broken on purpose.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import IntegrityError as DjangoIntegrityError
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from psycopg import IntegrityError

from agents import postgres
from tests.intents.ledger_mutations import COMMON, RARE, Mutation, broken
from tests.intents.ledger_world import Row, Step, World

#: The same histories each time, unless somebody asks for more: then new ones.
HISTORIES = int(os.environ.get("PERDURE_HISTORIES", "0"))
PROFILE = settings(
    max_examples=HISTORIES or 15,
    stateful_step_count=60 if HISTORIES else 40,
    derandomize=not HISTORIES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
#: To find what is broken, not to explain it.
SEARCH = settings(
    PROFILE,
    max_examples=200 if HISTORIES else 100,
    derandomize=True,
    phases=[Phase.generate],
    print_blob=False,
)

#: Statements, the frequent ones more than once.
NAMES = (
    *["submit"] * 2, "submit_awaited", *["acknowledge"] * 2, *["checkpoint"] * 2, "extend", *["finish"] * 2,
    *["release"] * 3, "wait", *["wake"] * 2, "take_over", "expire_sessions",
)  # fmt: skip

ways = st.sampled_from(["now", "together", "apart"])
one_row = st.builds(
    Row,
    intent=st.integers(0, 7),
    # 0 another tenant, 1 another agent, 2 an operator, else the agent itself
    writer=st.integers(0, 7),
    # 0 no such token, 1 its first, 2-4 its last, 5-7 sessions
    credential=st.integers(0, 7),
    variant=st.integers(0, 7),
)
some_rows = st.lists(one_row, min_size=1, max_size=6).map(tuple)


class LedgerMachine(RuleBasedStateMachine):
    """Agents, operators and time, at work on one small world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    @initialize()
    def begin(self) -> None:
        """Five intents, of which two have a deadline."""
        self.world.start()
        rows = tuple(Row(number, number, 7, 3 if number in (0, 2) else 0) for number in range(5))
        self.world.play(Step("submit", "now", rows))

    @rule(name=st.sampled_from(NAMES), way=ways, rows=some_rows)
    def write(self, name: str, way: str, rows: tuple[Row, ...]) -> None:
        self.world.play(Step(name, way, rows))

    @rule(way=ways, rows=some_rows)
    def claim(self, way: str, rows: tuple[Row, ...]) -> None:
        self.world.play(Step("claim", way, rows))

    @rule(
        name=st.sampled_from(["release", "finish", "checkpoint", "acknowledge"]),
        way=ways,
        intent=st.integers(0, 6),
        credential=st.sampled_from([2, 2, 5, 6]),
        variant=st.integers(0, 7),
    )
    def go_on(self, name: str, way: str, intent: int, credential: int, variant: int) -> None:
        """An agent goes on with one intent, and nobody else comes in its way."""
        self.world.play(Step(name, way, (Row(intent, 7, credential, variant),)))

    @rule(rows=some_rows)
    def leases_end(self, rows: tuple[Row, ...]) -> None:
        self.world.play(Step("time_passes", "now", rows))

    @rule(rows=some_rows)
    def deadlines_pass(self, rows: tuple[Row, ...]) -> None:
        self.world.play(Step("deadline_passes", "now", rows))

    @rule(name=st.sampled_from(["sweep", "exhaust"]))
    def sweep(self, name: str) -> None:
        self.world.play(Step(name, "now", ()))

    @rule(name=st.sampled_from(["retry", "redeliver"]), row=one_row)
    def try_again(self, name: str, row: Row) -> None:
        self.world.play(Step(name, "now", (row,)))

    @rule(row=one_row)
    def kill(self, row: Row) -> None:
        self.world.play(Step("kill", "now", (row,)))

    @rule(rows=some_rows)
    def resume(self, rows: tuple[Row, ...]) -> None:
        self.world.play(Step("resume", "now", rows))


def machine(world: World) -> type[LedgerMachine]:
    """The machine at work on this world."""

    class Here(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(world)

    return Here


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    with asyncio.Runner() as runner:
        yield World(runner)
        runner.run(postgres.close())


def test_every_history_is_the_one_that_the_model_tells(world: World) -> None:
    run_state_machine_as_test(machine(world), settings=PROFILE)


@pytest.mark.parametrize(
    "mutation", COMMON + RARE if HISTORIES else COMMON, ids=lambda mutation: mutation.name
)
def test_a_broken_statement_is_found(world: World, tmp_path: Path, mutation: Mutation) -> None:
    with (
        broken(mutation, tmp_path),
        pytest.raises((AssertionError, IntegrityError, DjangoIntegrityError)),
    ):
        run_state_machine_as_test(machine(world), settings=SEARCH)
