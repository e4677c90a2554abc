"""Saved views: a person's own names for filters of a workspace. The filter is all in its address."""

from __future__ import annotations

from uuid import UUID

from agents.errors import Invalid, NotFound
from agents.people import Operator
from intents.filters import Filters
from intents.models import SavedView

#: For one person in one workspace.
MOST = 50
LONGEST_NAME = 60


def of(user_id: int, workspace_id: UUID) -> list[SavedView]:
    """A person's views of a workspace, by name."""
    return list(SavedView.objects.filter(user_id=user_id, workspace_id=workspace_id).order_by("name"))


def save(who: Operator, name: str, query: str) -> SavedView:
    """Give the filters of a query string a name. A view of that name shows these from now on.

    Raises:
        Invalid: no name, too long a name, too many views, or filters that say nothing sensible.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(f"a view needs a name of 1 to {LONGEST_NAME} characters")
    canonical = Filters.of(query).query()
    mine = SavedView.objects.filter(user_id=who.user_id, workspace_id=who.workspace_id)
    if mine.exclude(name=name).count() >= MOST:
        raise Invalid(f"at most {MOST} views; delete one first")
    view, _ = SavedView.objects.update_or_create(
        user_id=who.user_id, workspace_id=who.workspace_id, name=name, defaults={"query": canonical}
    )
    return view


def delete(who: Operator, view_id: int) -> str:
    """Forget one of the person's own views, and say what it was called.

    Raises:
        NotFound: it is none of theirs.
    """
    mine = SavedView.objects.filter(user_id=who.user_id, workspace_id=who.workspace_id)
    view = mine.filter(pk=view_id).first()
    if view is None:
        raise NotFound("there is no such view")
    view.delete()
    return view.name
