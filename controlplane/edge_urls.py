"""What the HTTP edge serves without Django's own handler: the API, live fragments of pages, health and metrics."""

from django.urls import include, path

from controlplane import health, metrics
from controlplane.api import api

urlpatterns = [
    path("v1/", api.urls),
    path("live/", include("intents.pages.live_urls")),
    path("health", health.health),
    path("healthz/live", health.live),
    path("healthz/ready", health.ready),
    path("metrics", metrics.metrics),
]
