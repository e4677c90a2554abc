"""Tries all gates, or those that are named, and says of each what it came to.

python -m tests.audit [gate …]
python -m tests.audit note-secrets      after somebody has looked at what the scan for secrets found
"""

# ruff: noqa: T201 (a report is what this is for)

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic

from tests.audit import canaries, contract, controls, fuzzing, licences, revocation, tools
from tests.audit.verdicts import Found, Skipped

GATES: dict[str, Callable[[], str]] = {
    "bandit": tools.bandit,
    "advisories": tools.advisories,
    "secrets": tools.secrets,
    "licences": licences.licences,
    "bill-of-materials": tools.bill_of_materials,
    "fuzzing": fuzzing.frames,
    "canaries": canaries.canaries,
    "revocation": revocation.revocation,
    "contract": contract.contract,
    "controls": controls.controls,
}


def main(asked: list[str]) -> int:
    """Try gates, and return the number of those that found something."""
    if asked == ["note-secrets"]:
        tools.note_secrets()
        return 0
    if unknown := set(asked) - set(GATES):
        print(f"There is no gate {', '.join(sorted(unknown))}; there are {', '.join(GATES)}.")
        return 2
    found = 0
    for name, gate in GATES.items():
        if asked and name not in asked:
            continue
        began = monotonic()
        try:
            word, told = "passed", gate()
        # A gate that breaks has not been passed, and the others are tried all the same.
        except Exception as raised:  # noqa: BLE001
            error = _innermost(raised)
            word = "SKIPPED" if isinstance(error, Skipped) else "FOUND"
            told = str(error) if isinstance(error, Found | Skipped) else f"{type(error).__name__}: {error}"
            found += word == "FOUND"
        first, *more = told.splitlines() or [""]
        print(f"{name:<18} {word:<8} {monotonic() - began:6.1f} s  {first}", flush=True)
        for line in more:
            print(f"{'':<37} {line}", flush=True)
    print("Nothing was found." if not found else f"{found} gates found something.")
    return min(found, 1)


def _innermost(raised: BaseException) -> BaseException:
    """The first of those that tasks raised together."""
    return _innermost(raised.exceptions[0]) if isinstance(raised, BaseExceptionGroup) else raised


sys.exit(main(sys.argv[1:]))
