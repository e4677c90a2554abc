"""The addresses of the dashboard's pages about intents."""

from __future__ import annotations

from django.urls import path

from agents.pages.shell import PLACE
from intents.pages import views_dead_letters, views_list, views_overview

app_name = "intents"

urlpatterns = [
    path(PLACE, views_overview.overview, name="overview"),
    path(f"{PLACE}intents/", views_list.intents, name="list"),
    path(f"{PLACE}intents/number/", views_list.number, name="number"),
    path(f"{PLACE}intents/views/", views_list.save_view, name="save-view"),
    path(f"{PLACE}intents/views/<int:view_id>/delete/", views_list.delete_view, name="delete-view"),
    path(f"{PLACE}dead-letters/", views_dead_letters.dead_letters, name="dead-letters"),
]
