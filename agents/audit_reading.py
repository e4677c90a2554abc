"""The audit log, read: who did what to what and when, a page at a time, or all of it as lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from agents.models import AuditEntry, Role
from agents.people import Operator

PER_PAGE = 100
#: An export fetches so many at a time, and none is longer than this.
AT_A_TIME = 2000
LONGEST_EXPORT = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """Which entries to show; what is empty is any."""

    actor: str = ""
    action: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Found:
    """A page of entries, the newest first, and where the next ones begin."""

    entries: list[AuditEntry]
    older: int | None
    newer: int | None


def find(operator: Operator, wanted: Wanted, *, before: int | None = None, after: int | None = None) -> Found:
    """Return a page of the organization's entries: those before or after an entry, or the newest.

    Raises:
        Forbidden: the person is not an operator.
    """
    matching = _matching(operator, wanted)
    if after is not None:
        nearest = list(matching.filter(pk__gt=after).order_by("pk")[: PER_PAGE + 1])
        entries, more = nearest[:PER_PAGE][::-1], len(nearest) > PER_PAGE
        return Found(
            entries,
            older=entries[-1].pk if entries else after + 1,
            newer=entries[0].pk if more else None,
        )
    rows = list((matching.filter(pk__lt=before) if before is not None else matching)[: PER_PAGE + 1])
    entries = rows[:PER_PAGE]
    return Found(
        entries,
        older=entries[-1].pk if len(rows) > PER_PAGE else None,
        newer=None if before is None else (entries[0].pk if entries else before - 1),
    )


def export(operator: Operator, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Give every entry that is wanted and exists now, the newest first.

    Raises:
        Forbidden: the person is not an operator.
    """
    return _exported(_matching(operator, wanted))


def _exported(matching: QuerySet[AuditEntry]) -> Iterator[dict[str, Any]]:
    """Page by page: no cursor stays open while somebody downloads slowly."""
    last, given = None, 0
    while given < LONGEST_EXPORT:
        entries = list((matching.filter(pk__lt=last) if last is not None else matching)[:AT_A_TIME])
        for entry in entries:
            yield as_document(entry)
        if len(entries) < AT_A_TIME:
            return
        last, given = entries[-1].pk, given + len(entries)


def as_document(entry: AuditEntry) -> dict[str, Any]:
    """An entry as it is exported."""
    return {
        "id": entry.pk,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "target_label": entry.target_label,
        "reason": entry.reason,
        "details": entry.details,
        "key_id": entry.key_id,
        "remote_addr": entry.remote_addr,
        "user_agent": entry.user_agent,
    }


def _matching(operator: Operator, wanted: Wanted) -> QuerySet[AuditEntry]:
    operator.require(Role.OPERATOR)
    found = AuditEntry.objects.filter(organization_id=operator.organization_id).order_by("-pk")
    if wanted.actor:
        found = found.filter(actor__in={wanted.actor, f"human:{wanted.actor}"})
    if wanted.action.endswith("."):
        found = found.filter(action__startswith=wanted.action)
    elif wanted.action:
        found = found.filter(action=wanted.action)
    if wanted.target:
        found = found.filter(Q(target=wanted.target) | Q(target_label=wanted.target))
    if wanted.since is not None:
        found = found.filter(at__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(at__lt=wanted.until)
    return found
