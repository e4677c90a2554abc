"""The licences of all that is shipped: none that would bind what is built on Perdure or talks to it.

Copyleft that binds only changes to the library itself (LGPL, MPL) is allowed for the packages named here, each with the
reason; any other copyleft, and a package whose licence nobody can tell, is a finding.
"""

from __future__ import annotations

import json
import re
from importlib import metadata

from tests.audit.verdicts import REPORTS, REPOSITORY, Found

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|PostgreSQL|Unlicense|CC0|Zlib|ZPL|Zope|HPND)\b",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|SSPL|Lesser|Affero|Mozilla|General Public)", re.IGNORECASE)
#: copyleft of the library alone: it is used as it is, unchanged, as a package of its own that users can replace
ALLOWED = {
    "psycopg": "LGPL-3.0: used unchanged, imported at run time, replaceable; nothing of it is copied",
    "psycopg-binary": "LGPL-3.0: the same, with its compiled half",
    "psycopg-pool": "LGPL-3.0: the same",
    "certifi": "MPL-2.0: a list of authorities, used unchanged",
}


def licence_of(name: str) -> str:
    """What a package says of its licence."""
    told = metadata.metadata(name).json
    if expression := told.get("license_expression"):
        return str(expression)
    classifiers = [text for text in told.get("classifier", []) if text.startswith("License :: ")]
    names = [text.rpartition(" :: ")[2] for text in classifiers]
    written = str(told.get("license") or "").strip().partition("\n")[0]
    return ", ".join(name for name in names if name != "OSI Approved") or written


def shipped() -> list[str]:
    """The packages of the product's lock that are installed here; others belong to other systems."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    locked = [line.partition("==")[0].strip() for line in lines if re.match(r"[A-Za-z0-9][\w.-]*==", line)]
    installed = {re.sub(r"[-_.]+", "-", each.name).lower() for each in metadata.distributions()}
    return [name for name in locked if name.lower() in installed]


def licences() -> str:
    """Every licence is known, and binds nobody who uses or extends Perdure."""
    told = {name: licence_of(name) for name in shipped()}
    bad = []
    for name, licence in told.items():
        if name in ALLOWED:
            continue
        # A choice that includes a permissive licence is one.
        if COPYLEFT.search(licence) and not (" OR " in licence and PERMISSIVE.search(licence)):
            bad.append(f"{name}: {licence} binds")
        elif not PERMISSIVE.search(licence):
            bad.append(f"{name}: {licence or 'says nothing'}: nobody has looked at it")
    REPORTS.mkdir(parents=True, exist_ok=True)
    target = REPORTS / "licences.json"
    target.write_text(
        json.dumps({name: [licence, ALLOWED.get(name, "")] for name, licence in told.items()}, indent=2)
    )
    if bad:
        raise Found("\n".join(bad))
    kept = ", ".join(name for name in told if name in ALLOWED)
    return f"{len(told)} packages; library copyleft, used unchanged: {kept}"
