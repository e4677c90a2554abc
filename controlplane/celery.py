"""The Celery application: sweeps and other work that may happen a moment later."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")

app = Celery("perdure")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
