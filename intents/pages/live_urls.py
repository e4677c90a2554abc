"""The addresses of the dashboard's live fragments, served by the fast handler, below /live/."""

from __future__ import annotations

from typing import Any

app_name = "live"

urlpatterns: list[Any] = []
