"""Dead letters: what failed for good and has not been tried again, by agent and error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from agents.pages.shell import PageRequest, page
from intents import ledger
from intents.filters import NO_ERROR, Filters
from intents.lifecycle import Status
from intents.records import Row

#: So many of the newest are grouped, into so many groups.
MOST, MOST_GROUPS = 100_000, 200


@dataclass(frozen=True, slots=True)
class Group:
    """The dead letters of one agent with the same error."""

    address: str
    error: str
    number: int
    first_at: datetime
    last_at: datetime
    newest: list[UUID]
    is_partial: bool

    @classmethod
    def of(cls, row: Row) -> Group:
        fields = ("address", "number", "first_at", "last_at", "newest", "is_partial")
        return cls(error=row["code"], **{name: row[name] for name in fields})

    @property
    def agent(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def filters(self) -> Filters:
        """The filters that say just these."""
        return Filters(
            statuses=frozenset({Status.FAILED}),
            agent=self.address,
            error=self.error or NO_ERROR,
            retried="no",
        )

    @property
    def query(self) -> str:
        return self.filters.query()


@page
@require_safe
def dead_letters(request: PageRequest) -> HttpResponse:
    """The groups, those with the newest letters first."""
    found = ledger.read(
        "dead_letters", workspace_id=request.place.workspace.pk, most=MOST, groups=MOST_GROUPS
    )
    groups = [Group.of(row) for row in found]
    context = {
        "groups": groups,
        "number": sum(group.number for group in groups),
        "is_partial": any(group.is_partial for group in groups),
        "query": Filters(statuses=frozenset({Status.FAILED}), retried="no").query(),
    }
    return render(request, "intents/dead_letters.html", context)
