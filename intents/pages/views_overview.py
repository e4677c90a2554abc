"""The overview: what the workspace is at, at a glance."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from agents.pages.server import server_address
from agents.pages.shell import PageRequest, page
from intents import finding, overview as overviews
from intents.pages.chart import Chart


@page
@require_safe
def overview(request: PageRequest) -> HttpResponse:
    """Tiles, chart and dead letters."""
    found = finding.run(overviews.cached(request.place.workspace.pk))
    context = {
        "overview": found,
        "chart": Chart.of(found),
        "server": server_address(request),
        "is_empty": not found.open and not found.ended and not found.dead_letters,
    }
    return render(request, "intents/overview.html", context)
