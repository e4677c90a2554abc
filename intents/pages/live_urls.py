"""The addresses of the dashboard's live fragments, served by the fast handler, below /live/."""

from __future__ import annotations

from django.urls import path

from agents.pages.shell import PLACE
from intents.pages import live, live_intent, live_parts

app_name = "live"

urlpatterns = [
    path(PLACE, live_parts.overview, name="overview"),
    path(f"{PLACE}agents", live_parts.agents, name="agents"),
    path(f"{PLACE}agents/<slug:service_account_id>", live_parts.agent, name="agent"),
    path(f"{PLACE}intents", live.intents, name="list"),
    path(f"{PLACE}intents/<uuid:intent_id>", live_intent.intent, name="intent"),
]
