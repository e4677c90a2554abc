"""What Celery runs: thin handles on the domain. Each may run twice, and two of a kind at once."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import InterfaceError, OperationalError

from intents import callbacks, sweep as sweeping, tallying

logger = logging.getLogger(__name__)


@shared_task(name="intents.tasks.sweep")
def sweep() -> None:
    """Do what time has brought about. The next run, a second later, does what a failed one did not."""
    try:
        swept = sweeping.sweep()
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; the next sweep tries again. %s", type(error).__name__)
        return
    if swept.called:
        callbacks.ring()


@shared_task(name="intents.tasks.tally")
def tally() -> None:
    """Count what ended, for the charts. What a failed run did not count, the next does."""
    try:
        tallying.tally()
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; the next tally counts it. %s", type(error).__name__)


@shared_task(name="intents.tasks.forget_old_requests")
def forget_old_requests() -> None:
    """Forget idempotency keys that nobody repeats any more."""
    sweeping.forget_old_requests()
