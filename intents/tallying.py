"""The tally: how intents ended, counted as they do, so that a chart of the last hour reads some hundred rows."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from intents import ledger
from intents.models import TallyMark
from intents.operations import Steps
from intents.signals import Changes

SLOT_SECONDS = 10
#: Endings may become visible a little after the time that they carry.
SETTLED_SECONDS = 5
KEPT_SECONDS = 2 * 3600
#: So much at a time, after a pause.
MOST_SECONDS = 600


def tally() -> bool:
    """Count what ended since the last time. Says whether there was a slot to be counted.

    Two at once wait for each other, and count nothing twice.
    """

    def count(changes: Changes) -> Steps[bool]:
        rows = yield (
            "tally",
            {
                "slot": SLOT_SECONDS,
                "settled": SETTLED_SECONDS,
                "kept": KEPT_SECONDS,
                "most": MOST_SECONDS,
            },
        )
        return bool(rows)

    if not TallyMark.objects.exists():
        long_ago = Now() - timedelta(seconds=KEPT_SECONDS)
        TallyMark.objects.bulk_create([TallyMark(tallied_to=long_ago)], ignore_conflicts=True)
    return ledger.run(count)
