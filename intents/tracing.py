"""The trace that an intent belongs to, as W3C Trace Context has it: kept and handed on, never changed."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 255

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?")


def is_traceparent(text: object) -> bool:
    """Whether this is the name of a trace: of version 00, or of one to come that begins like it."""
    if not isinstance(text, str) or len(text) > LONGEST or (found := _FORM.fullmatch(text)) is None:
        return False
    version, trace, parent, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return False
    return trace.strip("0") != "" and parent.strip("0") != ""


def from_header(text: str | None) -> str | None:
    """The trace that a header names; one that is malformed names none, and harms nobody."""
    return text if text is not None and is_traceparent(text) else None
