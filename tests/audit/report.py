"""What each gate came to when it was tried last: kept in dist/audit/verdicts.json, shown in docs/security.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bench.table import replaced
from tests.audit.verdicts import REPORTS, REPOSITORY, run

VERDICTS = REPORTS / "verdicts.json"
PAGE = REPOSITORY / "docs" / "security.md"
MARK = "what the gates came to"
Verdict = Mapping[str, str]


def tree() -> str:
    """The commit that is tried."""
    return run(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()


def keep(gate: str, word: str, told: str, commit: str) -> None:
    """Remember what a gate came to on this commit, in place of what it came to before."""
    kept: dict[str, Verdict] = json.loads(VERDICTS.read_text()) if VERDICTS.exists() else {}
    REPORTS.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).date().isoformat()
    VERDICTS.write_text(
        json.dumps({**kept, gate: {"word": word, "told": told, "day": day, "commit": commit}}, indent=1)
    )


def show(gates: Iterable[str]) -> None:
    """Put the table of these gates into the page.

    Raises:
        ValueError: one of them has not been tried.
    """
    kept = json.loads(VERDICTS.read_text()) if VERDICTS.exists() else {}
    if missing := [gate for gate in gates if gate not in kept]:
        raise ValueError(f"not tried yet: {', '.join(missing)}")
    PAGE.write_text(replaced(PAGE.read_text(), MARK, table({gate: kept[gate] for gate in gates})))


def table(verdicts: Mapping[str, Verdict]) -> str:
    """Each gate, what it came to, and of which tree that was."""
    rows = ["| Gate | | What it came to | Tried |", "| --- | --- | --- | --- |"]
    for gate, verdict in verdicts.items():
        told = "<br>".join(verdict["told"].splitlines()).replace("|", "\\|")
        tried = f"{verdict['day']}, {verdict['commit']}"
        rows.append(f"| `{gate}` | {verdict['word']} | {told} | {tried} |")
    return "\n".join(rows)
