"""`manage.py create_organization`: a new tenant, its first workspace and an invitation for its first administrator."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents import organizing
from agents.errors import ApiError
from agents.pages.invitation import path_of


class Command(BaseCommand):
    """Founds an organization, and says how its administrator gets in."""

    help = "Make an organization with a workspace and invite an administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the first part of its addresses: agent://<slug>/…")
        parser.add_argument("--name", default="", help="what people call it; otherwise made of the slug")
        parser.add_argument("--workspace", default="production", help="the slug of its first workspace")
        parser.add_argument(
            "--admin", required=True, metavar="NAME", help="the login of its first administrator"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            invited = organizing.found(
                f"shell:{getpass.getuser()}",
                options["slug"],
                options["name"],
                workspace=options["workspace"],
                administrator=options["admin"],
            )
        except ApiError as error:
            raise CommandError(error.message) from None
        name = invited.invitation.username
        self.stdout.write(
            f"The organization {options['slug']} is there, and {name} is invited to be its administrator,\n"
            f"once and within three days, on this server's page\n"
            f"{path_of(invited.link)}"
        )
