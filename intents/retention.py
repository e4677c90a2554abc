"""How long intents are kept that have ended: for ever, unless `PERDURE_RETENTION_DAYS` says otherwise.

They leave in small batches, each a transaction, with a pause as long as the batch took: whatever the database has to
do, half of the time it has none of this. Open intents stay, however old; so does who has a parent, child or retry
that is open or younger. Idempotency keys are kept a day, which is never longer than the intent that they name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from intents import ledger
from intents.operations import Steps
from intents.records import Row
from intents.signals import Changes

#: So many are looked at in one transaction: locks are held for some hundredths of a second.
BATCH = 200
FIRST = UUID(int=0)


@dataclass(frozen=True)
class Retired:
    """What one run came to: how many have gone, and behind which id to go on; None if that was all."""

    gone: int
    after: UUID | None


def retire(*, after: UUID = FIRST, seconds: float = 2.0, days: int | None = None) -> Retired:
    """Let go of what ended long ago, for a while. `days` is the setting's unless given; zero keeps everything."""
    days = settings.PERDURE_RETENTION_DAYS if days is None else days
    if days < 1:
        return Retired(0, None)
    until = time.monotonic() + seconds
    gone = 0
    while True:
        began = time.monotonic()
        batch = ledger.run(lambda changes, after=after: _batch(changes, days, after))  # type: ignore[misc]
        gone += batch["gone"]
        if batch["seen"] < BATCH:
            return Retired(gone, None)
        after = batch["reached"]
        if time.monotonic() > until:
            return Retired(gone, after)
        time.sleep(time.monotonic() - began)


def _batch(changes: Changes, days: int, after: UUID) -> Steps[Row]:
    rows = yield "retire", {"days": days, "after": after, "limit": BATCH}
    return rows[0]
