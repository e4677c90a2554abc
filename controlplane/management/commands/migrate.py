"""`manage.py migrate`, which never makes others queue: Django's own, that gives up a lock it does not get soon."""

from __future__ import annotations

import random
import time
from typing import Any

from django.core.management.commands.migrate import Command as DjangosMigrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

#: Whoever waits for a strong lock makes everybody wait who comes behind; so not for longer than this.
PATIENCE = "3s"
TRIES = 20
LONGEST_PAUSE_SECONDS = 5.0


class Command(DjangosMigrate):
    """Bring the database up to date while others work with it."""

    def handle(self, *args: Any, **options: Any) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                self._try(*args, **options)
            except OperationalError as error:
                if not tries_left or not isinstance(error.__cause__, LockNotAvailable):
                    raise
                self.stderr.write(
                    f"A table was in use for {PATIENCE}; trying again, {tries_left} times at most."
                )
                time.sleep(random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311  apart, not secret
            else:
                return

    def _try(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{PATIENCE}'")
        try:
            super().handle(*args, **options)
        finally:
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
