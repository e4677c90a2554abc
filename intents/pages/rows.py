"""Rows of the list as HTML: the same for the page and for the stream that keeps it true."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.template.loader import render_to_string

from agents.pages.shell import Place
from intents.rows import ListRow

#: Rendered rows are kept for the other pages that show them.
MOST_RENDERED = 2_000


@dataclass(frozen=True, slots=True)
class Frame:
    """What a row's looks depend on besides the intent: where its links lead, and whether its reader may act."""

    root: str
    is_operator: bool

    @classmethod
    def of(cls, place: Place) -> Frame:
        return cls(place.url("intents:list"), place.is_operator)


@lru_cache(MOST_RENDERED)
def render(row: ListRow, frame: Frame) -> str:
    """The row as HTML, without a line break."""
    return render_to_string("intents/_intent_row.html", {"row": row, "frame": frame}).strip()
