"""Writes what was measured into docs/performance.md, and what stands beside others into the README, too.

python -m bench.table figures.json [more.json …]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers import table as peers

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE, README = REPOSITORY / "docs" / "performance.md", REPOSITORY / "README.md"
OURS, BESIDE, COSTS = "measured", "measured beside", "processor time"
#: The parts of a run whose processor time is measured, as the page calls them.
PARTS = {
    "web": "web process",
    "postgresql": "PostgreSQL",
    "worker": "worker",
    "valkey": "Valkey",
    "submitter": "submitter",
    "agent": "agent",
}
Figures = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Put the tables of these runs in place of those that the page has; of what was measured twice, the later."""
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument(
        "figures", type=Path, nargs="+", help="what `python -m bench --json FILE` has written"
    )
    found: dict[str, Mapping[str, Any]] = {}
    for path in parser.parse_args().figures:
        figures = {figure["name"]: figure for figure in json.loads(path.read_text())}
        if any(name.startswith("peer_") for name in figures):
            write_beside(figures)
        # The machine is told as the first run found it: whoever measures keeps it busy for the next.
        found |= {
            name: figure for name, figure in figures.items() if not (_is_machine(name) and name in found)
        }
    write_ours(found)


def write_ours(figures: Figures) -> None:
    """Put every figure of Perdure into the page, and where its processor time went if that was measured."""
    page = replaced(PAGE.read_text(), OURS, ours(figures))
    if table := costs(figures):
        page = replaced(page, COSTS, table)
    PAGE.write_text(page)


def write_beside(figures: Figures) -> None:
    """Put the comparison into the page and the README: figures of this one run, ours as those of others."""
    PAGE.write_text(replaced(PAGE.read_text(), BESIDE, peers.tables(figures)))
    README.write_text(replaced(README.read_text(), BESIDE, peers.side_by_side(figures)))


def replaced(page: str, mark: str, tables: str) -> str:
    """The page with these tables between the marks of this name.

    Raises:
        ValueError: it does not have both marks, once each.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if page.count(begin) != 1 or page.count(end) != 1 or not rest:
        raise ValueError(f"the page needs {begin} and {end}, once each")
    return f"{before}{begin}\n\n{tables}\n\n{end}{after}"


def ours(figures: Figures) -> str:
    """Every figure of Perdure with its ratio, and what is wanted of it."""
    rows = [
        peers.machine(figures),
        "",
        "| Figure | Value | Ratio | Wanted | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, figure in figures.items():
        if not name.startswith("peer_") and not _is_machine(name) and not figure["unit"].startswith("µs/"):
            ratio = f"{figure['ratio']:.2f}" if "ratio" in figure else ""
            cells = (f"`{name}`", _value(figure), ratio, _wanted(figure), figure.get("note", ""))
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def costs(figures: Figures) -> str:
    """What each figure took of the processors, and how many of its kind two of them could do; empty without `--cpu`."""
    kinds: dict[str, dict[str, float]] = {}
    for name, figure in figures.items():
        kind, _, part = name.partition(".cpu_")
        if part in PARTS:
            kinds.setdefault(kind, {})[part] = figure["value"]
    if not kinds:
        return ""
    rows = [
        f"| µs for each | {' | '.join(PARTS.values())} | together | two processors could do at most |",
        "| --- |" + " --- |" * (len(PARTS) + 2),
    ]
    for kind, spent in kinds.items():
        together = sum(spent.values())
        cells = [_short(spent[part]) if part in spent else "—" for part in PARTS]
        rows.append(f"| `{kind}` | {' | '.join(cells)} | {_short(together)} | {2e6 / together:,.0f}/s |")
    return "\n".join(rows)


def _is_machine(name: str) -> bool:
    return name.startswith("machine.")


def _wanted(figure: Mapping[str, Any]) -> str:
    """What is wanted, and whether it is so; who measured says that, older runs do not."""
    wanted: str = figure.get("wanted", "")
    if not wanted or "missed" not in figure:
        return wanted
    if not figure["missed"]:
        return f"{wanted}: met"
    which = f" {', '.join(figure['missed'])}" if "," in wanted.replace(",0", "") else ""
    return f"{wanted}: **missed{which}**"


def _value(figure: Mapping[str, Any]) -> str:
    unit = figure["unit"]
    if "p99" in figure:
        middle = f"p50 {_short(figure['p50'])}{_spread(figure.get('runs', []))}"
        return f"{middle}, p99 {_short(figure['p99'])}{_spread(figure.get('runs_p99', []))} {unit}"
    return f"{_short(figure['value'])} {unit}{_spread(figure.get('runs', []))}"


def _spread(runs: Sequence[float]) -> str:
    return f" ({_short(min(runs))} to {_short(max(runs))})" if len(runs) > 1 else ""


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


if __name__ == "__main__":
    main()
