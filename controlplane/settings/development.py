"""Development, and `make up`: everything has a default, secrets are made once and kept in PERDURE_HOME."""

import sys

from controlplane import home
from controlplane.settings.base import *  # noqa: F403
from controlplane.settings.base import INSTALLED_APPS, PERDURE_HOME
from controlplane.settings.environment import items, text

SECRET_KEY = text("SECRET_KEY") or home.secret(PERDURE_HOME, "SECRET_KEY")
PERDURE_KEY_PEPPER = text("PERDURE_KEY_PEPPER") or home.secret(PERDURE_HOME, "PERDURE_KEY_PEPPER")
ALLOWED_HOSTS = items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1],0.0.0.0,.localhost")

#: Static files come straight from where they are written; only production collects them.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STATIC_ROOT = None

if "runserver" in sys.argv:
    # Daphne replaces the command; no other command should pay for importing it.
    INSTALLED_APPS = ["daphne", *INSTALLED_APPS]
