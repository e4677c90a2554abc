"""The page of figures shows what was measured, and keeps all else."""

from __future__ import annotations

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
