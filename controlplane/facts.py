"""What is known about the request being served: for logs, answers and whoever passes a trace on."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

from uuid_utils import uuid4

#: What we take over from a caller's X-Trace-Id; everything else gets a trace of its own.
TRACE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)


@dataclass(slots=True)
class Facts:
    """One request, as the log knows it. Holds nothing heavy: background tasks inherit it."""

    method: str = ""
    path: str = ""
    trace_id: str = ""
    request_id: str = field(default_factory=lambda: str(uuid4()))
    is_secure: bool = False
    key_id: str | None = None
    route: str | None = None
    started: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        if not TRACE.fullmatch(self.trace_id):
            self.trace_id = str(uuid4())


#: One variable instead of a binding for each fact: the hot path sets it once and formats nothing.
current: ContextVar[Facts | None] = ContextVar("perdure_request", default=None)
