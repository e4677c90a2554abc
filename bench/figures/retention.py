"""What it costs others that intents are let go of: the wait until a handler starts, without that and meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import latency
from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency as figure

#: What is there to be let go of for each second that is measured, which is more than can be.
OLD_PER_SECOND = 15_000
DAYS = 30
#: How long it takes, on top of that, until processes are there and warm.
STARTING_SECONDS = 5


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Twice the same, the second time while what the worker's task does removes what ended long ago, without a rest."""
    seconds = options.seconds * options.rounds
    database = perdure.database
    database.clean()
    alone = latency.measure(perdure, "websocket", "agent_websocket", seconds)["start"]
    database.fill_old(OLD_PER_SECOND * (seconds + STARTING_SECONDS), database.past, days=2 * DAYS)
    with Client("retire", environment=perdure.for_django(), days=DAYS) as retiring:
        retiring.read()
        retiring.say("go")
        meanwhile = latency.measure(perdure, "websocket", "agent_websocket", seconds)["start"]
        done = retiring.ask("stop")
    database.begin_anew()
    if done["is_all"]:
        raise RuntimeError(f"retention: all {done['gone']:,} had gone before the end")
    yield figure("retention.start_alone", alone, parts=options.rounds)
    note = f"while {done['gone'] / done['seconds']:,.0f}/s are let go of"
    yield figure("retention.start", meanwhile, parts=options.rounds, note=note)
