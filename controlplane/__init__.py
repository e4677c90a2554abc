"""Wires the parts together and decides nothing: settings, servers, URLs, the worker."""

from .celery import app as celery_app

__all__ = ["celery_app"]
