"""Tests: real servers, cheap passwords, no secrets worth keeping."""

from controlplane.settings.base import *  # noqa: F403
from controlplane.settings.base import DATABASES

SECRET_KEY = "a key for tests that protects nothing, but long enough to be accepted as a key"  # noqa: S105
PERDURE_KEY_PEPPER = "a pepper for tests"
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STATIC_ROOT = None
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

# A test holds its connection and rolls it back; a pool would keep others open on a database to be dropped.
del DATABASES["default"]["OPTIONS"]["pool"]
