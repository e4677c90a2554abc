"""What `make audit` tells of itself: every gate is described, and its last verdict is on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.table import replaced
from tests.audit import __main__ as audit, report
from tests.audit.gates import GATES
from tests.audit.verdicts import REPOSITORY, Found, Skipped


@pytest.fixture(autouse=True)
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with nothing on it, and no verdict kept."""
    page = tmp_path / "security.md"
    page.write_text(f"before\n<!-- {report.MARK}: begin -->\n<!-- {report.MARK}: end -->\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(report, "VERDICTS", tmp_path / "verdicts.json")
    return page


def passes() -> str:
    return "20 frames | nothing\nmore"


def finds() -> str:
    raise ExceptionGroup("many", [ExceptionGroup("more", [Found("a hole")])])


def breaks() -> str:
    raise OSError("no such tool")


def is_skipped() -> str:
    raise Skipped("no network")


def test_the_verdicts_of_the_last_run_are_shown_each_with_its_tree(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = {"a": passes, "b": finds, "c": is_skipped, "d": breaks}
    monkeypatch.setattr(audit, "GATES", gates)
    monkeypatch.setattr(report, "REPORTS", page.parent)
    assert audit.main([]) == 1
    assert audit.main(["c"]) == 0

    assert audit.main(["show"]) == 0

    rows = [line.split(" | ")[:3] for line in page.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        ["| `a`", "passed", "20 frames \\| nothing<br>more"],
        ["| `b`", "FOUND", "a hole"],
        ["| `c`", "SKIPPED", "no network"],
        ["| `d`", "FOUND", "OSError: no such tool"],
    ]
    assert "2 gates found something." in capsys.readouterr().out


def test_a_gate_that_was_never_tried_is_not_shown_as_one_that_was(page: Path) -> None:
    report.keep("a", "passed", "", "0a1b2c3")
    with pytest.raises(ValueError, match="not tried yet: b"):
        report.show(["a", "b"])


def test_a_gate_that_does_not_exist_is_no_gate_that_passes() -> None:
    assert audit.main(["revocaton"]) == 2


@pytest.mark.parametrize("gate", GATES)
def test_each_gate_is_described_and_what_it_came_to_is_shown(gate: str) -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text()
    described = replaced(page, report.MARK, "")
    shown = page.removeprefix(described.partition(report.MARK)[0])

    assert f"| `{gate}` |" in described
    assert f"| `{gate}` | passed |" in shown or f"| `{gate}` | SKIPPED |" in shown
