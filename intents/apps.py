"""The app `intents`: what is asked of agents, and what becomes of it."""

from django.apps import AppConfig


class IntentsConfig(AppConfig):
    name = "intents"
    default_auto_field = "django.db.models.BigAutoField"
