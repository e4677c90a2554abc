"""The HTTP API against its own description: schemathesis makes up requests, and nothing is answered with a 5xx."""

from __future__ import annotations

import os
import re

from tests.audit.verdicts import REPORTS, TOOLS, Found, run
from tests.live import Operator, complaints
from tests.servers import Perdure

SECONDS = int(os.environ.get("PERDURE_CONTRACT_SECONDS", "120"))
CHECKS = "not_a_server_error,content_type_conformance,ignored_auth"


def contract() -> str:
    """No request that fits the description, or nearly does, is answered with a 5xx or without asking who is there."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    with Perdure(web=1) as perdure, Operator.of_another_tenant(perdure) as operator:
        ended = run(
            [
                TOOLS / "schemathesis", "run", f"{perdure.base_url}/v1/openapi.json",
                "--header", f"x-api-key: {operator.key}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
                "--exclude-path-regex", "/stream$", "--seed", os.environ.get("PERDURE_SEED", "1"),
                "--max-examples", "15", "--max-time", str(SECONDS), "--request-timeout", "20", "--no-color",
                "--continue-on-failure", "--suppress-health-check", "all",
            ],
            timeout=SECONDS * 4 + 120,
        )  # fmt: skip
        errors = complaints(perdure)
    (REPORTS / "schemathesis.txt").write_text(ended.stdout + ended.stderr)
    if errors:
        raise Found("\n".join(errors[:5]))
    if ended.returncode:
        raise Found((ended.stdout or ended.stderr)[-4000:])
    said = re.findall(r"^.*(?:test cases|Tested|generated).*$", ended.stdout, re.MULTILINE)
    return "; ".join(line.strip() for line in said[-3:]) or "nothing found"
