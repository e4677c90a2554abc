"""What is the same wherever Perdure runs. The README lists every variable that is read here."""

from pathlib import Path
from typing import Any

import dj_database_url

from controlplane import logs, services
from controlplane.settings.environment import boolean, integer, items, optional_integer, path_prefix, text

BASE_DIR = Path(__file__).resolve().parents[2]
PERDURE_HOME = Path(text("PERDURE_HOME", str(BASE_DIR / ".perdure"))).expanduser().absolute()

DEBUG = boolean("DEBUG")
ALLOWED_HOSTS = items("ALLOWED_HOSTS")

# -- Perdure --------------------------------------------------------------------------------------------

PERDURE_HOST = text("PERDURE_HOST", "127.0.0.1")
PERDURE_PORT = integer("PERDURE_PORT", 8000)
PERDURE_SERVER = text("PERDURE_SERVER", "uvicorn")
PERDURE_WEB_PROCESSES = integer("PERDURE_WEB_PROCESSES", 1, at_least=1)
#: Below which path a proxy shows Perdure, "" for none; and what follows from it.
PERDURE_PATH_PREFIX = path_prefix("PERDURE_PATH_PREFIX")
FORCE_SCRIPT_NAME = PERDURE_PATH_PREFIX or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{PERDURE_PATH_PREFIX}/"
#: Addresses of proxies whose X-Forwarded-* headers are believed.
PERDURE_TRUSTED_PROXIES = items("PERDURE_TRUSTED_PROXIES")
PERDURE_STRICT_ADDRESSES = boolean("PERDURE_STRICT_ADDRESSES")
PERDURE_RATE_LIMIT_PER_MINUTE = integer("PERDURE_RATE_LIMIT_PER_MINUTE", 0)
PERDURE_SSE_STREAMS_MAX = integer("PERDURE_SSE_STREAMS_MAX", 10_000, at_least=1)
PERDURE_VISIBILITY_SECONDS = integer("PERDURE_VISIBILITY_SECONDS", 300, at_least=1)
#: Renewed thrice in its time, at most once a second.
PERDURE_LEASE_SECONDS = integer("PERDURE_LEASE_SECONDS", 30, at_least=3)
PERDURE_POOL_SIZE = integer("PERDURE_POOL_SIZE", 4, at_least=1)
#: Limits of what agents save: a value, the checkpoints of an intent, a thread.
PERDURE_VALUE_BYTES = integer("PERDURE_VALUE_BYTES", 1024 * 1024, at_least=1)
PERDURE_CHECKPOINTS_PER_INTENT = integer("PERDURE_CHECKPOINTS_PER_INTENT", 1_000, at_least=1)
PERDURE_CHECKPOINT_BYTES_PER_INTENT = integer(
    "PERDURE_CHECKPOINT_BYTES_PER_INTENT", 8 * 1024 * 1024, at_least=1
)
PERDURE_THREAD_PARTS = integer("PERDURE_THREAD_PARTS", 100_000, at_least=1)
PERDURE_THREAD_BYTES = integer("PERDURE_THREAD_BYTES", 1024 * 1024 * 1024, at_least=1)
PERDURE_DEFAULT_INTENT_TTL_SECONDS = optional_integer("AXME_DEFAULT_INTENT_TTL_SECONDS", at_least=1)
#: How long ended intents are kept; 0 is for ever.
PERDURE_RETENTION_DAYS = integer("PERDURE_RETENTION_DAYS", 0)
PERDURE_ALLOW_PRIVATE_CALLBACKS = items("PERDURE_ALLOW_PRIVATE_CALLBACKS")
PERDURE_LOG_LEVEL = text("PERDURE_LOG_LEVEL", "INFO").upper()

# -- Django ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "agents",
    "intents",
    "controlplane",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Around all that may refuse a request: refusals are pages too.
    "agents.pages.middleware.PagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
APPEND_SLASH = False
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "agents.pages.context.shell",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "agents:login"
CSRF_FAILURE_VIEW = "agents.pages.errors.csrf_failure"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

STATIC_URL = f"{PERDURE_PATH_PREFIX}/static/"
STATIC_ROOT: Path | None = Path(text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logs.configuration(PERDURE_LOG_LEVEL)

UNFOLD = {"SITE_TITLE": "Perdure", "SITE_HEADER": "Perdure", "SITE_SYMBOL": "all_inclusive"}

# -- PostgreSQL and Valkey: the embedded ones of PERDURE_HOME unless told otherwise ---------------------

DATABASE_URL = text("DATABASE_URL", services.database_url(PERDURE_HOME))
REDIS_URL = text("REDIS_URL", services.redis_url(PERDURE_HOME))


def database(url: str) -> dict[str, Any]:
    """The settings of a database whose few connections are shared by the threads of a process.

    A connection that has died in the pool, as all do when the server restarts, is replaced before it is used.
    """
    parsed: dict[str, Any] = {**dj_database_url.parse(url, conn_max_age=0, conn_health_checks=True)}
    options = parsed.setdefault("OPTIONS", {})
    options["pool"] = {"min_size": 0, "max_size": 4, "timeout": 1.0}
    options.setdefault("connect_timeout", 2)
    return parsed


DATABASES = {"default": database(DATABASE_URL)}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "perdure"},
    },
}

# -- Celery ---------------------------------------------------------------------------------------------

CELERY_BROKER_URL = services.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "perdure"
CELERY_TASK_IGNORE_RESULT = True
#: A task whose worker died is given to another; every task here may run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = TIME_ZONE
#: Nothing runs at a time of day, so beat need not remember anything: no file to corrupt.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # The next sweep does all that a late one would have done, so those that queued up are dropped.
    "sweep": {"task": "intents.tasks.sweep", "schedule": 1.0, "options": {"expires": 2}},
    "tally": {"task": "intents.tasks.tally", "schedule": 10.0, "options": {"expires": 10}},
    "tell health": {"task": "agents.tasks.tell_health", "schedule": 5.0, "options": {"expires": 5}},
    "resume bulk actions": {
        "task": "intents.tasks.resume_bulk_actions",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "forget old requests": {
        "task": "intents.tasks.forget_old_requests",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
if PERDURE_RETENTION_DAYS:
    CELERY_BEAT_SCHEDULE["retire"] = {
        "task": "intents.tasks.retire",
        "schedule": 600.0,
        "options": {"expires": 600},
    }
