"""Judge a run: `python -m tests.chaos.checker DIRECTORY [--database URL]`. The exit code is 1 if a promise was broken.

DIRECTORY/history has what the clients wrote. The rows are read from the database and kept as DIRECTORY/rows.jsonl, or
read from there. The verdicts go to DIRECTORY/verdicts.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.chaos.checker import evidence as evidences
from tests.chaos.checker.figures import figures
from tests.chaos.checker.verdicts import State, judge
from tests.chaos.history import read

LABELS = {State.KEPT: "kept", State.BROKEN: "BROKEN", State.NOT_TRIED: "not tried"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--database")
    options = parser.parse_args()
    kept = options.directory / "rows.jsonl"
    if options.database:
        evidences.save(evidences.from_database(options.database), kept)
    rows = evidences.load(kept)
    evidence = evidences.Evidence.of(read(options.directory / "history"), rows)
    verdicts = judge(evidence)
    report = {
        "figures": figures(evidence),
        "checks": [verdict.told() for verdict in verdicts],
    }
    (options.directory / "verdicts.json").write_text(json.dumps(report, indent=1))
    for verdict in verdicts:
        sys.stdout.write(f"{LABELS[verdict.state]:9} {verdict.name}: {verdict.promise}\n")
        for objection in verdict.objections[:5]:
            sys.stdout.write(f"          {objection[:400]}\n")
    return 0 if all(verdict.is_kept for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
