"""`make bench`: measures a complete Perdure of its own and prints one line a figure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from bench import options as command_line
from bench.figures import idle, latency, redelivery, size, throughput
from bench.options import Options
from bench.perdure import Perdure
from bench.report import Figure

#: Finished intents that are there before anything is measured, so that the planner knows tables in use.
HISTORY = 20_000


def main() -> int:
    """Measure what is asked for; each figure is printed as soon as it is known."""
    options = command_line.parse()
    found: list[Figure] = []
    with Perdure(options.web_processes) as perdure:
        past = perdure.database.agent_id(perdure.agent("past")[0])
        perdure.database.fill(HISTORY, [past], ended=True)
        perdure.database.keep()
        for figure in measure(perdure, options):
            sys.stdout.write(figure.line() + "\n")
            sys.stdout.flush()
            found.append(figure)
    if options.json is not None:
        options.json.write_text(json.dumps([figure.facts() for figure in found], indent=2) + "\n")
    return 0


def measure(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """The chosen figures, in the order in which they are listed."""
    if any(map(options.wants, ("ceiling", *throughput.WANTED))):
        yield from throughput.figures(perdure, options)
    if options.wants("websocket_backlog"):
        yield from throughput.backlog_figures(perdure, options)
    yield from latency.figures(perdure, options)
    yield from redelivery.figures(perdure, options)
    yield from idle.figures(perdure, options)
    if options.wants("size"):
        yield from size.figures(perdure, options)


if __name__ == "__main__":
    raise SystemExit(main())
