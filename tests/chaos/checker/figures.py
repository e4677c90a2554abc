"""What a run came to, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.living import handovers
from tests.chaos.checker.running import minutes_of_faults, share_ok


def figures(evidence: Evidence) -> dict[str, Any]:
    """Counts of requests, intents and faults."""
    requests: dict[str, Counter[str]] = {}
    for number, asked in evidence.invoked.items():
        came = evidence.outcomes.get(number, {"kind": "unknown"})
        requests.setdefault(asked["do"], Counter())[came["kind"]] += 1
    good, total = share_ok(evidence)
    rows = evidence.intents.values()
    faults = evidence.of_kind("fault")
    return {
        "requests": {do: dict(counts) for do, counts in sorted(requests.items())},
        "requests_outside_faults": total,
        "answered_outside_faults": good,
        "intents": len(rows),
        "ended_as": dict(sorted(Counter(row["status"] for row in rows).items())),
        "events": sum(map(len, evidence.events.values())),
        "checkpoints": sum(map(len, evidence.checkpoints.values())),
        "runs": len(evidence.of_kind("run")),
        "more_than_one_attempt": sum(row["attempt"] > 1 for row in rows),
        "handed_over_again": sum(len(handovers(events)) > 1 for events in evidence.events.values()),
        "retries": sum(row["retry_of"] is not None for row in rows),
        "observations": dict(sorted(Counter(entry["how"] for entry in evidence.of_kind("watched")).items())),
        "agents_started": sum(1 for _ in evidence.of_kind("started")),
        "minutes_of_faults": round(minutes_of_faults(evidence), 1),
        "faults": dict(sorted(Counter(entry["fault"] for entry in faults).items())),
        "failpoints": dict(
            sorted(Counter(entry["point"] for entry in evidence.of_kind("failpoint")).items())
        ),
        "durability": {
            name: value
            for entry in evidence.of_kind("durability")
            for name, value in entry.items()
            if name not in ("at", "who", "kind", "when")
        },
    }
