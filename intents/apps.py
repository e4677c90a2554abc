"""The app `intents`: what is asked of agents, and what becomes of it."""

from django.apps import AppConfig


class IntentsConfig(AppConfig):
    name = "intents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the doorbell hear of every committed change, whichever process it was made in."""
        from intents import switching  # noqa: F401  (its receiver, too)
        from intents.realtime import runtime  # noqa: F401  (its receivers)
