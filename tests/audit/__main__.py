"""Tries all gates, or those that are named, and says of each what it came to.

python -m tests.audit [gate …]
python -m tests.audit note-secrets      after somebody has looked at what the scan for secrets found
python -m tests.audit show              puts what all came to last into docs/security.md
"""

# ruff: noqa: T201 (a report is what this is for)

from __future__ import annotations

import sys
from time import monotonic

from tests.audit import report, tools
from tests.audit.gates import GATES
from tests.audit.verdicts import Found, Skipped


def main(asked: list[str]) -> int:
    """Try gates; 1 if one of them found something."""
    if asked == ["note-secrets"]:
        tools.note_secrets()
        return 0
    if asked == ["show"]:
        report.show(GATES)
        return 0
    if unknown := set(asked) - set(GATES):
        print(f"There is no gate {', '.join(sorted(unknown))}; there are {', '.join(GATES)}.")
        return 2
    found = sum([_try(name) for name in GATES if not asked or name in asked])
    print("Nothing was found." if not found else f"{found} gates found something.")
    return min(found, 1)


def _try(name: str) -> bool:
    """Whether this gate finds something."""
    began, tree = monotonic(), report.tree()
    try:
        word, told = "passed", GATES[name]()
    # A gate that breaks has not been passed, and the others are tried all the same.
    except Exception as raised:  # noqa: BLE001
        error = _innermost(raised)
        word = "SKIPPED" if isinstance(error, Skipped) else "FOUND"
        told = str(error) if isinstance(error, Found | Skipped) else f"{type(error).__name__}: {error}"
    first, *more = told.splitlines() or [""]
    print(f"{name:<18} {word:<8} {monotonic() - began:6.1f} s  {first}", flush=True)
    for line in more:
        print(f"{'':<37} {line}", flush=True)
    report.keep(name, word, told, tree)
    return word == "FOUND"


def _innermost(raised: BaseException) -> BaseException:
    """The first of those that tasks raised together."""
    return _innermost(raised.exceptions[0]) if isinstance(raised, BaseExceptionGroup) else raised


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
