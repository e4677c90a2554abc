"""The gates of the audit, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable

from tests.audit import canaries, contract, controls, fuzzing, licences, revocation, tools

#: name → what tries it: it passes with a sentence, or raises what it found, or why it could not be tried
GATES: dict[str, Callable[[], str]] = {
    "bandit": tools.bandit,
    "containers": tools.containers,
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
