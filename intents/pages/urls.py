"""The addresses of the dashboard's pages about intents."""

from __future__ import annotations

from typing import Any

app_name = "intents"

urlpatterns: list[Any] = []
