"""What Celery runs for the agents app: thin handles on the domain. Each may run twice, and two of a kind at once."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import InterfaceError, OperationalError

from agents import health

logger = logging.getLogger(__name__)


@shared_task(name="agents.tasks.tell_health")
def tell_health() -> None:
    """Record whose health has changed. What a failed run did not tell, the next does."""
    try:
        health.tell()
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database is away; changes of health are told later. %s", type(error).__name__)
