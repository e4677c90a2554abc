"""How statuses look: a word, and a kind with a colour (css/base.css) and a shape. Nobody needs the colour to tell."""

from __future__ import annotations

from typing import Final

#: stored value -> (word, kind)
STATUSES: Final[dict[str, tuple[str, str]]] = {
    # intents
    "CREATED": ("Created", "idle"),
    "SUBMITTED": ("Submitted", "idle"),
    "DELIVERED": ("Delivered", "active"),
    "ACKNOWLEDGED": ("Acknowledged", "active"),
    "IN_PROGRESS": ("In progress", "active"),
    "WAITING": ("Waiting", "waiting"),
    "COMPLETED": ("Completed", "good"),
    "FAILED": ("Failed", "bad"),
    "CANCELED": ("Canceled", "gone"),
    "TIMED_OUT": ("Timed out", "late"),
    # agents and keys
    "active": ("Active", "good"),
    "connected": ("Connected", "good"),
    "healthy": ("Healthy", "good"),
    "degraded": ("Degraded", "waiting"),
    "unreachable": ("Unreachable", "late"),
    "unknown": ("Unknown", "idle"),
    "suspended": ("Suspended", "waiting"),
    "expiring": ("Expiring", "waiting"),
    "expired": ("Expired", "late"),
    "revoked": ("Revoked", "gone"),
    "killed": ("Killed", "bad"),
}

SHAPES: Final[dict[str, str]] = {
    # a ring, a half-filled disc, two bars, a check, a cross, a clock, a dash
    "idle": '<circle cx="6" cy="6" r="4.25" fill="none" stroke="currentColor" stroke-width="1.5"/>',
    "active": '<circle cx="6" cy="6" r="4.25" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    '<path d="M6 1.75a4.25 4.25 0 0 1 0 8.5z" fill="currentColor"/>',
    "waiting": '<path d="M3 2h2v8H3zM7 2h2v8H7z" fill="currentColor"/>',
    "good": '<path d="M2 6.4 4.8 9.2 10 3.4" fill="none" stroke="currentColor" stroke-width="1.9"/>',
    "bad": '<path d="m2.6 2.6 6.8 6.8m0-6.8-6.8 6.8" fill="none" stroke="currentColor" stroke-width="1.9"/>',
    "late": '<circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.4"/>'
    '<path d="M6 3.2V6l1.9 1.4" fill="none" stroke="currentColor" stroke-width="1.4"/>',
    "gone": '<path d="M2 6h8" fill="none" stroke="currentColor" stroke-width="2"/>',
}
