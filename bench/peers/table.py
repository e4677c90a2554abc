"""Writes what was measured into docs/performance.md: `python -m bench.peers.table figures.json`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers.catalogue import PEERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- measured beside: begin -->", "<!-- measured beside: end -->"
#: row → its figures for: one call each, in batches, checkpoints, submission to handler
OURS = {
    "**Perdure, websocket**": (
        "websocket_single",
        "websocket_batched",
        "checkpoints.rate",
        "latency_websocket.start",
    ),
    "**Perdure, HTTP**": ("http", "http_batch", "", ""),
}
THEIRS = ("single", "batched", "checkpoints", "start")
Figures = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Put the tables of one run in place of those that the page has."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.table", description=__doc__)
    parser.add_argument("figures", type=Path, help="what `python -m bench --peers --json FILE` has written")
    found = json.loads(parser.parse_args().figures.read_text())
    PAGE.write_text(replaced(PAGE.read_text(), tables({figure["name"]: figure for figure in found})))


def replaced(page: str, tables: str) -> str:
    """The page with these tables between its marks.

    Raises:
        ValueError: it does not have each mark once.
    """
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if page.count(BEGIN) != 1 or page.count(END) != 1 or not rest:
        raise ValueError(f"the page needs {BEGIN} and {END}, once each")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def tables(figures: Figures) -> str:
    """Who was how fast, then what each is and how it was set. What was not measured is a dash."""
    rows = [
        ("| | one call each | in batches | checkpoints | submit → handler, p50, p99 |"),
        "| --- | --- | --- | --- | --- |",
    ]
    for title, names in OURS.items():
        rows.append(_row(title, [figures.get(name) for name in names]))
    measured = []
    for entry in PEERS:
        theirs = [figures.get(f"peer_{entry.name}.{what}") for what in THEIRS]
        if any(theirs):
            measured.append((entry, next(figure["note"] for figure in theirs if figure)))
            rows.append(_row(entry.title, theirs))
    about = ["| | Measured | Settings | What it does not do |", "| --- | --- | --- | --- |"]
    for entry, note in measured:
        versions = note.split(", ")[-1]
        about.append(f"| {entry.title} | {versions} | {entry.settings} | {entry.lacks} |")
    return "\n".join([_machine(figures), "", *rows, "", *about])


def _row(title: str, figures: list[Mapping[str, Any] | None]) -> str:
    return f"| {title} | {' | '.join(_cell(figure) for figure in figures)} |"


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "—"
    if "p99" in figure:
        return f"{figure['p50']:.1f}, {figure['p99']:.1f} ms"
    runs = figure.get("runs") or [figure["value"]]
    return f"{figure['value']:,.0f}/s ({min(runs):,.0f} to {max(runs):,.0f})"


def _machine(figures: Figures) -> str:
    load, disk = figures.get("machine.load"), figures.get("machine.commit_to_disk")
    words = ["Medians, and in brackets the slowest and the fastest run."]
    if load and disk:
        cores = load["note"].split(";")[0]
        words.append(
            f"{cores}; load before it began {load['value']:.1f}; a commit reaches the disk in {disk['p50']:.2f} ms,"
        )
        words.append(f"p99 {disk['p99']:.2f} ms.")
    if ceiling := figures.get("ceiling"):
        words.append(f"The ceiling, `pgbench` as above: {_cell(ceiling)}.")
    return " ".join(words)


if __name__ == "__main__":
    main()
