"""Small things that lists and figures need in templates."""

from __future__ import annotations

from uuid import UUID

from django import template

register = template.Library()


@register.filter
def number(value: int | None) -> str:
    """A number with its thousands apart; none is zero."""
    return f"{value or 0:,}"


@register.filter
def tail(intent_id: UUID) -> str:
    """The end of an id: the beginnings of those made at the same time are alike."""
    return intent_id.hex[-8:]
