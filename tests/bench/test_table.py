"""The page of figures shows what was measured, and keeps all else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import table

FIGURES: dict[str, dict[str, Any]] = {
    "machine.load": {"name": "machine.load", "value": 0.2, "unit": "processes", "note": "2 cores"},
    "ceiling": {"name": "ceiling", "value": 4000.0, "unit": "lifecycles/s", "runs": [3900.0, 4000.0, 4100.0]},
    "http": {"name": "http", "value": 2000.0, "unit": "lifecycles/s", "ratio": 0.5, "wanted": "≥ 0.25"},
    "latency": {"name": "latency", "value": 3.0, "p50": 3.0, "p99": 0.25, "unit": "ms", "note": "n=9"},
    "peer_dbos.single": {"name": "peer_dbos.single", "value": 1.0, "unit": "lifecycles/s"},
}


def test_each_figure_of_ours_is_a_row() -> None:
    rows = table.ours(FIGURES).splitlines()

    assert rows[4:] == [
        "| `ceiling` | 4,000 lifecycles/s (3,900 to 4,100) |  |  |  |",
        "| `http` | 2,000 lifecycles/s | 0.50 | ≥ 0.25 |  |",
        "| `latency` | p50 3.0, p99 0.25 ms |  |  | n=9 |",
    ]


def test_a_miss_is_shown_as_one_and_older_runs_do_not_say() -> None:
    figure = {"name": "single", "value": 2000.0, "unit": "lifecycles/s", "wanted": "≥ 3,000/s"}
    start = {"value": 3.1, "p50": 3.1, "p99": 5.0, "unit": "ms", "wanted": "p50 ≤ 3, p99 ≤ 6"}
    start |= {"missed": ["p50 ≤ 3"], "runs": [3.0, 3.2], "runs_p99": [4.0, 6.0]}
    figures = {
        "older": figure,
        "missed": {**figure, "missed": ["≥ 3,000/s"]},
        "met": {**figure, "missed": []},
        "start": start,
    }

    assert table.ours(figures).splitlines()[4:] == [
        "| `older` | 2,000 lifecycles/s |  | ≥ 3,000/s |  |",
        "| `missed` | 2,000 lifecycles/s |  | ≥ 3,000/s: **missed** |  |",
        "| `met` | 2,000 lifecycles/s |  | ≥ 3,000/s: met |  |",
        "| `start` | p50 3.1 (3.0 to 3.2), p99 5.0 (4.0 to 6.0) ms |  | p50 ≤ 3, p99 ≤ 6: **missed p50 ≤ 3** |  |",
    ]


def test_the_comparison_is_of_one_run_whatever_else_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = "".join(
        f"<!-- {mark}: begin --><!-- {mark}: end -->" for mark in (table.OURS, table.BESIDE, table.COSTS)
    )
    for name in ("PAGE", "README"):
        monkeypatch.setattr(table, name, tmp_path / name)
        (tmp_path / name).write_text(both)
    beside = {"name": "websocket_single", "value": 1111.0, "unit": "lifecycles/s"}
    (tmp_path / "beside").write_text(json.dumps([beside, {**FIGURES["peer_dbos.single"], "note": "dbos 3"}]))
    (tmp_path / "ours").write_text(json.dumps([{**beside, "value": 2222.0}]))
    monkeypatch.setattr("sys.argv", ["table", str(tmp_path / "beside"), str(tmp_path / "ours")])

    table.main()

    ours, others = (tmp_path / "PAGE").read_text().split(f"<!-- {table.BESIDE}: begin -->")
    assert "2,222" in ours
    assert "1,111" in others
    assert "2,222" not in others
    assert "1,111" in (tmp_path / "README").read_text()


def test_the_tables_go_between_the_marks_and_nowhere_else() -> None:
    page = "before\n<!-- its: begin -->\nold\n<!-- its: end -->\nafter\n"

    new = table.replaced(page, "its", "new")

    assert new == "before\n<!-- its: begin -->\n\nnew\n\n<!-- its: end -->\nafter\n"
    assert table.replaced(new, "its", "new") == new
    with pytest.raises(ValueError, match="once each"):
        table.replaced("a page", "its", "new")


def test_processor_time_is_told_by_part_with_what_two_processors_could_do() -> None:
    spent = {"web": 80.0, "postgresql": 70.0, "submitter": 40.0, "agent": 10.0}
    figures = {f"http.cpu_{part}": {"value": value, "unit": "µs/lifecycle"} for part, value in spent.items()}

    assert table.costs(FIGURES) == ""
    assert table.costs({**FIGURES, **figures}).splitlines()[2:] == [
        "| `http` | 80.0 | 70.0 | — | — | 40.0 | 10.0 | 200 | 10,000/s |"
    ]


@pytest.mark.parametrize("mark", [table.OURS, table.BESIDE, table.COSTS])
def test_the_page_has_the_marks(mark: str) -> None:
    table.replaced(table.PAGE.read_text(), mark, "new")
