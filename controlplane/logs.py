"""Logging as one JSON object a line: what happened, when, and to what; never a payload, never a key."""

from typing import Any

import structlog

from controlplane.access_log import add_facts
from controlplane.redaction import redact

SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    add_facts,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    redact,  # last: the text of an exception may hold a row
]

#: These say on each task, request or reconnect what our own lines say better.
CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "httpx", "psycopg.pool", "uvicorn")


def configuration(level: str) -> dict[str, Any]:
    """The `dictConfig` that turns the lines of structlog and of the standard library into the same JSON."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": [structlog.stdlib.ExtraAdder(), *SHARED],
            },
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **{name: {"level": "WARNING"} for name in CHATTY},
            # Django's own configuration gives this one a handler for DEBUG only; ours is enough.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
        },
    }
