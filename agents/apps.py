"""The Django app of the agents."""

from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Organizations, workspaces, agents and API keys."""

    name = "agents"
    verbose_name = "Agents"
