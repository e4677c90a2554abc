from typing import Any

from django.core.management.base import BaseCommand

from controlplane import up


class Command(BaseCommand):
    help = "Run all of Perdure on this machine until Ctrl-C."
    requires_system_checks: list[str] = []  # the database is not up yet

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(up.main())
