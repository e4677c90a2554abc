"""What Celery runs: thin handles on the domain. Each may run twice, and two of a kind at once."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import shared_task
from django.db import InterfaceError, OperationalError

from intents import bulk_work, callbacks, retention, sweep as sweeping, tallying

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


@shared_task(name="intents.tasks.retire")
def retire(after: str = str(retention.FIRST)) -> None:
    """Let go of what ended long ago, for some seconds, then let others have their turn."""
    try:
        retired = retention.retire(after=UUID(after))
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; what is old stays until the next run. %s", type(error).__name__)
        return
    if retired.gone:
        logger.info("%s intents that ended long ago have been let go.", retired.gone)
    if retired.after is not None:
        retire.delay(str(retired.after))


@shared_task(name="intents.tasks.run_bulk_action")
def run_bulk_action(action_id: str) -> None:
    """Go on with an action on many intents for a second, then let others have their turn."""
    try:
        has_more = bulk_work.run(UUID(action_id))
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; the action goes on later. %s", type(error).__name__)
        return
    if has_more:
        run_bulk_action.delay(action_id)


@shared_task(name="intents.tasks.resume_bulk_actions")
def resume_bulk_actions() -> None:
    """Go on with the actions that have lost their worker, or were never told of."""
    try:
        for action_id in bulk_work.stalled():
            run_bulk_action.delay(str(action_id))
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; actions go on later. %s", type(error).__name__)
