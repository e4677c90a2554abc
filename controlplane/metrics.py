"""GET /metrics, in Prometheus's text format, for this machine and for keys with the scope `metrics`.

Who is on this machine runs the server, and sees the figures of all organizations. A key is its organization's: it sees
those that are labelled with it, and what the process counts for all, which names nobody.
"""

from __future__ import annotations

import ipaddress
import os

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import split_domain_port, validate_host
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
    caller = None if is_local(request) else await metrics_key(request)
    await stored.refresh()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    else:
        counted = REGISTRY
    read = CollectorRegistry()
    read.register(stored if caller is None else stored.of(caller.organization_slug))
    return HttpResponse(generate_latest(counted) + generate_latest(read), content_type=CONTENT_TYPE_LATEST)


def is_local(request: HttpRequest) -> bool:
    """Whether the client is a process on this machine, and neither one behind a proxy here nor a browser led astray.

    A website whose name leads to this machine is read by browsers here as if it were that site's own. So a name has to
    be one of ours; an address cannot be another's.
    """
    if any(name in request.META for name in FORWARDED):
        return False
    said = request.META.get("HTTP_HOST", "")
    host = split_domain_port(said)[0]
    is_ours = not said or host == "localhost" or _address(host.strip("[]")) is not None
    if not (is_ours or (host and validate_host(host, settings.ALLOWED_HOSTS))):
        return False
    client = _address(request.META.get("REMOTE_ADDR") or "")
    return client is not None and client.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
