"""GET /metrics, in Prometheus's text format, for this machine and for keys with the scope `metrics`."""

from __future__ import annotations

import ipaddress
import os

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

import intents.telemetry  # noqa: F401  (its counters exist, at zero, before the first intent)
from agents.auth import ApiKeyAuth
from controlplane.stored_figures import stored

metrics_key = ApiKeyAuth("metrics")

#: What only a proxy adds: behind one, every client looks local.
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


async def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, or all processes of this machine if they share a PROMETHEUS_MULTIPROC_DIR.

    Raises:
        Unauthenticated: the client is elsewhere and shows no key.
        Forbidden: its key has another scope.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if not is_local(request):
        await metrics_key(request)
    await stored.refresh()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    else:
        counted = REGISTRY
    read = CollectorRegistry()
    read.register(stored)
    return HttpResponse(generate_latest(counted) + generate_latest(read), content_type=CONTENT_TYPE_LATEST)


def is_local(request: HttpRequest) -> bool:
    """Whether the client is a process on this machine, and not one behind a proxy here."""
    if any(name in request.META for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False
