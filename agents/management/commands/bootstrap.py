"""`manage.py bootstrap`: what a fresh installation needs, as lines of an environment file."""

from __future__ import annotations

import os
import shlex
from typing import Any

from django.core.management.base import BaseCommand

from agents.bootstrap import NAMES, bootstrap


class Command(BaseCommand):
    """Make the first organization, administrator and key, and print how to use them."""

    help = (
        "Make the first organization, workspace, administrator and API key if they are missing, and print them as "
        "NAME=value. What the environment holds under these names is kept if it is still valid."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        previous = {name: os.environ[name] for name in NAMES if os.environ.get(name)}
        for name, value in bootstrap(previous).items():
            self.stdout.write(f"{name}={shlex.quote(value)}")
