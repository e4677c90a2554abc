"""Gates that others have written: bandit, hadolint, pip-audit, detect-secrets, CycloneDX, on what is committed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.audit.verdicts import REPORTS, REPOSITORY, TOOLS, Found, Skipped, run, tracked

PACKAGES = ("agents", "controlplane", "intents", "client/src")
COMPOSE = "deploy/compose.yaml"
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt")
#: findings of the scan for secrets that were looked at and are none
BASELINE = REPOSITORY / "tests" / "audit" / "no_secrets.json"
#: whoever does not know that this is vulnerable knows nothing
KNOWN_BAD = "jinja2==2.10"
#: findings of bandit that were looked at, each with the reason why it stays
REVIEWED = {
    ("agents/pages/json_view.py", "B308"): "every text in it has been escaped; test_json_view.py tries",
    ("agents/pages/json_view.py", "B703"): "the same",
    ("agents/templatetags/perdure.py", "B308"): "a drawing out of a table of ours",
    ("agents/templatetags/perdure.py", "B703"): "the same",
    (
        "client/src/perdure/codecs.py",
        "B301",
    ): "only for who asks for pickle by name, with the warning beside it",
}


def bandit() -> str:
    """No finding of bandit of medium severity or above in what we ship."""
    ended = run([TOOLS / "bandit", "-q", "-r", *PACKAGES, "-f", "json", "-ll", "--exclude", "*/migrations/*"])
    report = json.loads(ended.stdout)
    if report["errors"]:
        raise Found(f"files that could not be read: {report['errors']}")
    found = [
        f"{each['filename']}:{each['line_number']} {each['test_id']} {each['issue_text']}"
        for each in report["results"]
        if (each["filename"], each["test_id"]) not in REVIEWED
    ]
    if found:
        raise Found("\n".join(found))
    lines = report["metrics"]["_totals"]["loc"]
    return f"{lines:,} lines of Python, nothing of medium severity or above but {len(REVIEWED)} that were looked at"


def containers() -> str:
    """Nothing that hadolint warns of in the Dockerfile, or that the specification of compose files does not know."""
    tried: dict[str, list[str | Path]] = {
        "Dockerfile": [TOOLS / "hadolint", "--no-color", "Dockerfile"],
        COMPOSE: [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
    }
    ended = {name: run(command) for name, command in tried.items()}
    if wrong := [f"{name}: {each.stdout}{each.stderr}" for name, each in ended.items() if each.returncode]:
        raise Found("\n".join(wrong)[-4000:])
    return f"{' and '.join(tried)}: hadolint and the schema of the specification have nothing to say"


def advisories() -> str:
    """No known vulnerability in any version that is locked, of what is shipped or what tests and audits use."""
    with tempfile.TemporaryDirectory() as directory:
        control = Path(directory) / "control.txt"
        control.write_text(f"{KNOWN_BAD}\n")
        if not any(each.get("vulns") for each in _advised(control, "--no-deps")):
            raise Skipped(
                "no source of advisories can be reached from here: nobody knows even of " + KNOWN_BAD
            )
    known = 0
    for lock in LOCKS:
        told = _advised(lock, "--require-hashes")
        known += len(told)
        if bad := [f"{each['name']} {each['version']}" for each in told if each.get("vulns")]:
            raise Found(f"{lock}: {', '.join(bad)}")
        if unknown := [each["name"] for each in told if each.get("skip_reason")]:
            raise Found(f"{lock}: nobody knows {', '.join(unknown)}")
    return f"{known} locked versions, no advisory"


def _advised(requirements: str | Path, *options: str) -> list[dict[str, Any]]:
    command = [
        TOOLS / "pip-audit",
        "--requirement",
        requirements,
        "--disable-pip",
        *options,
        "--format",
        "json",
    ]
    ended = run([*command, "--progress-spinner", "off", "--timeout", "10"])
    try:
        told: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except ValueError:
        if "ConnectionError" in ended.stderr or "ServiceError" in ended.stderr:
            raise Skipped("no source of advisories can be reached from here") from None
        raise Found(ended.stderr[-2000:]) from None
    return told


def secrets() -> str:
    """Nothing that looks like a secret is in the repository, but what was looked at and noted as none."""
    found, number = _secrets()
    # Wherever it stands: what was no secret in one file is none in another.
    looked_at = {(kind, digest) for _, kind, digest in json.loads(BASELINE.read_text())}
    fresh = [
        f"{name}:{line} {kind}"
        for (name, kind, digest), line in found.items()
        if (kind, digest) not in looked_at
    ]
    if fresh:
        raise Found("\n".join(sorted(fresh)))
    return f"{number} files; {len(found)} passwords of tests and examples, all looked at"


def note_secrets() -> None:
    """Take all that is found now for looked at. Whoever calls this has."""
    found, _ = _secrets()
    BASELINE.write_text(json.dumps(sorted(found), indent=1) + "\n")


def _secrets() -> tuple[dict[tuple[str, str, str], int], int]:
    files = [path for path in tracked() if not path.endswith(".lock") and path not in LOCKS]
    ended = run([TOOLS / "detect-secrets", "scan", "--disable-plugin", "HexHighEntropyString", *files])
    if ended.returncode:
        raise Found(ended.stderr[-2000:])
    found = {
        (name, each["type"], each["hashed_secret"]): each["line_number"]
        for name, results in json.loads(ended.stdout)["results"].items()
        for each in results
    }
    return found, len(files)


def bill_of_materials() -> str:
    """What is shipped, in CycloneDX: every package with its version and hashes."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    target = REPORTS / "sbom.cdx.json"
    ended = run(
        [
            TOOLS / "cyclonedx-py",
            "requirements",
            "requirements.txt",
            "--of",
            "JSON",
            "--output-reproducible",
            "-o",
            target,
        ]
    )
    if ended.returncode:
        raise Found(ended.stderr[-2000:])
    document = json.loads(target.read_text())
    components = document["components"]
    locked = {
        line.partition("==")[0].lower()
        for line in (REPOSITORY / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    listed = {each["name"].lower() for each in components}
    if missing := locked - listed:
        raise Found(f"the bill lacks {', '.join(sorted(missing))}")
    form = f"{document['bomFormat']} {document['specVersion']}"
    return f"{len(components)} components in {target.relative_to(REPOSITORY)}, {form}"
