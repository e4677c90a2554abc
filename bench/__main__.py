"""`make bench`: measures a complete Perdure of its own and prints one line a figure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from bench import machine, options as command_line, table
from bench.figures import (
    checkpoints,
    client,
    dashboard,
    idle,
    latency,
    redelivery,
    retention,
    size,
    throughput,
)
from bench.options import BESIDE, USUAL, Options
from bench.peers import runner
from bench.perdure import Perdure
from bench.report import Figure


def main() -> int:
    """Measure what is asked for; each figure is printed as soon as it is known. Tells whether all could be."""
    options = command_line.parse()
    found: list[Figure] = []
    failures = 0
    with Perdure(options.web_processes) as perdure:
        perdure.database.begin(perdure.database.agent_id(perdure.agent("past")[0]))
        for group in groups(perdure, options):
            try:
                for figure in group:
                    sys.stdout.write(figure.line() + "\n")
                    sys.stdout.flush()
                    found.append(figure)
            except RuntimeError as error:  # the others may still be measured
                failures += 1
                sys.stderr.write(f"A measurement failed: {error}\n")
    if options.json is not None:
        options.json.write_text(json.dumps([figure.facts() for figure in found], indent=2) + "\n")
    if options.write and not failures:
        write(options, {figure.name: figure.facts() for figure in found})
    return 1 if failures else 0


def write(options: Options, figures: table.Figures) -> None:
    """Write what a run measured whole: the comparison where all peers are in it, else every figure of ours."""
    if all(map(options.wants, BESIDE)):
        table.write_beside(figures)
    elif all(map(options.wants, USUAL)):
        table.write_ours(figures)
    else:
        sys.stderr.write("Nothing is written: only some of the figures of a table were measured.\n")


def groups(perdure: Perdure, options: Options) -> Iterator[Iterator[Figure]]:
    """The chosen figures, in the order in which they are listed; before them, what the machine is like."""
    yield machine.figures(perdure.directory)
    if any(map(options.wants, ("ceiling", *throughput.WANTED))):
        yield throughput.figures(perdure, options)
    if options.wants("websocket_backlog"):
        yield throughput.backlog_figures(perdure, options)
    yield latency.figures(perdure, options)
    yield redelivery.figures(perdure, options)
    if options.wants("checkpoints"):
        yield checkpoints.figures(perdure, options)
    if options.wants("client"):
        yield client.figures(perdure, options)
    if options.wants("retention"):
        yield retention.figures(perdure, options)
    yield idle.figures(perdure, options)
    if options.wants("size"):
        yield size.figures(perdure, options)
    if any(map(options.wants, ("dashboard_visible", "dashboard_list", "dashboard_intent"))):
        yield dashboard.figures(perdure, options)
    if any(map(options.wants, BESIDE)):
        yield runner.figures(perdure, options)


if __name__ == "__main__":
    raise SystemExit(main())
