"""`manage.py verify_history`: whether every intent is what its history says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from intents import verification


class Command(BaseCommand):
    help = "Replay every intent's history and name those whose status disagrees. Changes nothing; may run at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        count = wrong = 0
        for verdict in verification.verdicts():
            count += 1
            if verdict is not None:
                wrong += 1
                self.stdout.write(str(verdict))
        if wrong:
            raise CommandError(f"{wrong} of {count} intents disagree with their history.")
        self.stdout.write(f"{count} intents agree with their history.")
