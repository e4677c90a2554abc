"""The addresses of the dashboard's pages about intents."""

from __future__ import annotations

from django.urls import path

from agents.pages.shell import PLACE
from intents.pages import (
    views_bulk,
    views_dead_letters,
    views_fleet,
    views_intent,
    views_list,
    views_overview,
)

app_name = "intents"

urlpatterns = [
    path(PLACE, views_overview.overview, name="overview"),
    path(f"{PLACE}intents/", views_list.intents, name="list"),
    path(f"{PLACE}intents/number/", views_list.number, name="number"),
    path(f"{PLACE}intents/views/", views_list.save_view, name="save-view"),
    path(f"{PLACE}intents/views/<int:view_id>/delete/", views_list.delete_view, name="delete-view"),
    path(f"{PLACE}intents/<uuid:intent_id>/", views_intent.intent, name="intent"),
    path(f"{PLACE}intents/<uuid:intent_id>/events/", views_intent.events, name="events"),
    path(f"{PLACE}intents/<uuid:intent_id>/actions/", views_intent.offered, name="actions"),
    path(f"{PLACE}intents/<uuid:intent_id>/export/", views_intent.export, name="export"),
    path(f"{PLACE}intents/<uuid:intent_id>/cancellation/", views_intent.cancellation, name="cancellation"),
    path(f"{PLACE}intents/<uuid:intent_id>/redelivery/", views_intent.redelivery, name="redelivery"),
    path(f"{PLACE}intents/<uuid:intent_id>/retries/", views_intent.retries, name="retries"),
    path(f"{PLACE}bulk/", views_bulk.bulk_new, name="bulk_new"),
    path(f"{PLACE}bulk/<uuid:action_id>/", views_bulk.bulk, name="bulk"),
    path(f"{PLACE}bulk/<uuid:action_id>/stop/", views_bulk.bulk_stop, name="bulk_stop"),
    path(f"{PLACE}dead-letters/", views_dead_letters.dead_letters, name="dead-letters"),
    path(f"{PLACE}agents/", views_fleet.agents, name="agents"),
    path(f"{PLACE}agents/<slug:service_account_id>/", views_fleet.agent, name="agent"),
    path(f"{PLACE}agents/<slug:service_account_id>/kill/", views_fleet.kill, name="kill"),
    path(f"{PLACE}agents/<slug:service_account_id>/resumption/", views_fleet.resumption, name="resumption"),
]
