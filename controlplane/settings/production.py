"""Production: secrets and addresses come from the environment; a missing one stops the start."""

from controlplane import services
from controlplane.settings.base import *  # noqa: F403
from controlplane.settings.base import CHANNEL_LAYERS, STORAGES, database
from controlplane.settings.environment import integer, items, required

SECRET_KEY = required("SECRET_KEY")
PERDURE_KEY_PEPPER = required("PERDURE_KEY_PEPPER")
DATABASE_URL = required("DATABASE_URL")
REDIS_URL = required("REDIS_URL")
required("ALLOWED_HOSTS")
ALLOWED_HOSTS = items("ALLOWED_HOSTS")
DEBUG = False

DATABASES = {"default": database(DATABASE_URL)}
CHANNEL_LAYERS["default"]["CONFIG"] = {"hosts": [REDIS_URL], "prefix": "perdure"}
CELERY_BROKER_URL = services.broker_url(REDIS_URL)

CSRF_TRUSTED_ORIGINS = items("CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = True
#: Probes and scrapers come over the loopback interface, where nobody speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz/", r"^metrics$"]
SECURE_HSTS_SECONDS = integer("SECURE_HSTS_SECONDS", 31_536_000, at_least=1)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True

STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
