"""The HTTP API against its own description: schemathesis makes up requests, and nothing is answered with a 5xx.

Twice: with made-up ids, which reach no further than to what is unknown, and with ids of what there is. None of those is
of who asks: whoever deletes itself, or learns its own id and revokes its key, tries nothing from then on.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import httpx

from tests.audit.verdicts import REPORTS, TOOLS, Found, run
from tests.live import Operator, complaints
from tests.servers import Perdure

#: for each of the two
SECONDS = int(os.environ.get("PERDURE_CONTRACT_SECONDS", "90"))
CHECKS = "not_a_server_error,content_type_conformance,ignored_auth"
#: What says no more than that one did not get in.
OUTSIDE = frozenset({0, 401, 403, 405})
#: Nothing is taken from answers, neither ids nor keys.
CONFIGURATION = """
[phases.coverage.extra-data-sources]
responses = false
[phases.fuzzing.extra-data-sources]
responses = false
"""
#: operation → the statuses of its answers
Answers = dict[str, list[int]]


def contract() -> str:
    """No request that fits the description, or nearly does, is answered with a 5xx or without asking who is there."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    with Perdure(web=1) as perdure, Operator.of_another_tenant(perdure) as operator:
        strange = _try(perdure, operator, "made-up", {})
        known = _try(perdure, operator, "known", _known(operator))
        errors = complaints(perdure)
    if errors:
        raise Found("\n".join(errors[:5]))
    if outside := [name for name, statuses in strange.items() if OUTSIDE.issuperset(statuses)]:
        raise Found(f"nothing was tried of {', '.join(outside)}")
    reached = [name for name in strange if any(200 <= status < 300 for status in known.get(name, []))]
    number = sum(map(len, [*strange.values(), *known.values()]))
    return (
        f"{len(strange)} operations, {number:,} requests; {len(reached)} operations did what they were asked"
    )


def _known(operator: Operator) -> dict[str, str]:
    """Ids of what there is, and nobody needs."""
    decoy = operator.register()
    intent_id = operator.submit(decoy)
    headers = {"content-type": "application/json", "x-api-key": decoy.key}
    for path in (f"/v1/intents/{intent_id}/checkpoints/extract", "/v1/threads/notes/items/first"):
        operator.http.put(path, content="{}", headers=headers).raise_for_status()
    return {
        "intent_id": intent_id,
        "address": decoy.name,
        "service_account_id": decoy.id,
        "key_id": decoy.key_id,
        "thread_id": "notes",
        "step": "extract",
        "key": "first",
    }


def _try(perdure: Perdure, operator: Operator, name: str, parameters: dict[str, str]) -> Answers:
    """What all operations answered."""
    configuration = REPORTS / f"schemathesis-{name}.toml"
    given = "".join(f'"path.{name}" = "{value}"\n' for name, value in parameters.items())
    configuration.write_text(f"{CONFIGURATION}[parameters]\n{given}" if given else CONFIGURATION)
    report = REPORTS / f"schemathesis-{name}.ndjson"
    ended = run(
        [
            TOOLS / "schemathesis", "--config-file", configuration, "run", f"{perdure.base_url}/v1/openapi.json",
            "--header", f"x-api-key: {operator.key}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
            "--exclude-path-regex", "/stream$", "--seed", os.environ.get("PERDURE_SEED", "1"),
            "--max-examples", "15", "--max-time", str(SECONDS), "--request-timeout", "60", "--no-color",
            "--continue-on-failure", "--suppress-health-check", "all", "--report-ndjson-path", report,
        ],
        timeout=SECONDS * 4 + 300,
    )  # fmt: skip
    (REPORTS / f"schemathesis-{name}.txt").write_text(ended.stdout + ended.stderr)
    if ended.returncode:
        raise Found((ended.stdout or ended.stderr)[-4000:])
    me = httpx.get(f"{perdure.base_url}/v1/me", headers={"x-api-key": operator.key}, timeout=60)
    if me.status_code != 200:
        raise Found(f"the key was worth nothing at the end: {me.status_code}, so nothing was tried")
    return _answers(report)


def _answers(report: Path) -> Answers:
    """The statuses in a report, by operation."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder") or {}
        for each in (recorder.get("interactions") or {}).values():
            found[recorder["label"]].append((each.get("response") or {}).get("status_code", 0))
    return dict(found)
