"""Who was how fast, side by side: the tables of peers in docs/performance.md. `bench.table` puts them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.peers.catalogue import PEERS, Entry

#: row → its figures for: one call each, in batches, checkpoints, submission to handler
OURS = {
    "**Perdure, websocket**": (
        "websocket_single",
        "websocket_batched",
        "checkpoints.rate",
        "latency_websocket.start",
    ),
    "**Perdure, HTTP**": ("http", "http_batch", "", ""),
    "**Perdure, its client `perdure`**": (
        "client.single",
        "client.batched",
        "client.checkpoints",
        "client.start",
    ),
}
THEIRS = ("single", "batched", "checkpoints", "start")
Figures = Mapping[str, Mapping[str, Any]]


def tables(figures: Figures) -> str:
    """Who was how fast, then what each is and how it was set."""
    about = ["| | Measured | Settings | What it does not do |", "| --- | --- | --- | --- |"]
    for entry in PEERS:
        if theirs := _theirs(entry, figures):
            versions = next(figure["note"] for figure in theirs if figure).split(", ")[-1]
            about.append(f"| {entry.title} | {versions} | {entry.settings} | {entry.lacks} |")
    return "\n".join([machine(figures), "", side_by_side(figures), "", *about])


def side_by_side(figures: Figures) -> str:
    """Who was how fast. What was not measured is a dash."""
    rows = [
        "| | one call each | in batches | checkpoints | submit → handler, p50, p99 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, names in OURS.items():
        if any(name in figures for name in names):
            rows.append(_row(title, [figures.get(name) for name in names]))
    for entry in PEERS:
        if theirs := _theirs(entry, figures):
            rows.append(_row(entry.title, theirs))
    return "\n".join(rows)


def _theirs(entry: Entry, figures: Figures) -> list[Mapping[str, Any] | None]:
    """Its figures, in the order of the columns; none at all if it was not measured."""
    theirs = [figures.get(f"peer_{entry.name}.{what}") for what in THEIRS]
    return theirs if any(theirs) else []


def _row(title: str, figures: list[Mapping[str, Any] | None]) -> str:
    return f"| {title} | {' | '.join(_cell(figure) for figure in figures)} |"


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "—"
    if "p99" in figure:
        return f"{figure['p50']:.1f}{_spread(figure, 'runs')}, {figure['p99']:.1f}{_spread(figure, 'runs_p99')} ms"
    runs = figure.get("runs") or [figure["value"]]
    return f"{figure['value']:,.0f}/s ({min(runs):,.0f} to {max(runs):,.0f})"


def _spread(figure: Mapping[str, Any], of: str) -> str:
    runs = figure.get(of, [])
    return f" ({min(runs):.1f} to {max(runs):.1f})" if len(runs) > 1 else ""


def machine(figures: Figures) -> str:
    """What it was measured on, and how the figures are to be read."""
    load, disk = figures.get("machine.load"), figures.get("machine.commit_to_disk")
    words = ["Medians, and in brackets the slowest and the fastest run."]
    if load and disk:
        cores, _, warning = load["note"].partition("; ")
        warning = f" ({warning})" if warning else ""
        words.append(
            f"{cores}; load before it began {load['value']:.1f}{warning}; a commit reaches the disk in "
            f"{disk['p50']:.2f} ms,"
        )
        words.append(f"p99 {disk['p99']:.2f} ms.")
    if ceiling := figures.get("ceiling"):
        words.append(f"The ceiling, `pgbench` as above: {_cell(ceiling)}.")
    return " ".join(words)
