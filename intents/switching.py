"""The kill switch in the ledger: what a killed agent held is taken from it, and waits for its resumption."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from agents.signals import agents_switched
from intents import ledger
from intents.signals import Changes, announce


@receiver(agents_switched)
def switched(sender: object, agent_ids: list[int], **kwargs: Any) -> None:
    """Take back what those that are killed hold, and let every process look."""
    try:
        ledger.interrupt(agent_ids)
    finally:
        announce(Changes(agents=set(agent_ids), switched=set(agent_ids)))
