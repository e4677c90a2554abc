"""What every page of the dashboard stands in: who is looking, at which workspace of which organization, and may they.

    @page(role=Role.OPERATOR)
    def cancellation(request: PageRequest, intent_id: UUID) -> HttpResponse:
        desk.cancel(request.place.operator(request), intent_id, request.POST["reason"])

The decorator takes the slugs out of the URL, so a view never looks anything up that its reader may not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django_htmx.middleware import HtmxDetails

from agents import origin
from agents.models import Membership, Organization, Role, Workspace
from agents.people import Operator

#: How the address of every page about a workspace begins.
PLACE = "o/<slug:organization>/<slug:workspace>/"

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Place:
    """A person in a workspace, and what they may do there."""

    user: User
    membership: Membership
    organization: Organization
    workspace: Workspace
    role: Role
    #: all that the person may go to, for the switcher
    workspaces: tuple[Workspace, ...] = ()

    def allows(self, role: Role) -> bool:
        """Say whether the person may do what that role may."""
        return self.role.includes(role)

    @property
    def is_operator(self) -> bool:
        """Whether to show what operators do; for templates."""
        return self.allows(Role.OPERATOR)

    @property
    def is_admin(self) -> bool:
        """Whether to show what administrators do; for templates."""
        return self.allows(Role.ADMIN)

    def operator(self, request: HttpRequest) -> Operator:
        """The person, as the domain wants to know them."""
        return Operator(
            user_id=self.user.pk,
            username=self.user.get_username(),
            organization_id=self.organization.pk,
            organization_slug=self.organization.slug,
            workspace_id=self.workspace.pk,
            role=self.role,
            remote_addr=origin.remote_addr(request.META),
            user_agent=origin.user_agent(request.META),
        )

    def url(self, name: str, **arguments: Any) -> str:
        """The address of one of this workspace's pages."""
        slugs = {"organization": self.organization.slug, "workspace": self.workspace.slug}
        return reverse(name, kwargs={**slugs, **arguments})


class PageRequest(HttpRequest):
    """A request whose sender is known, and allowed to be where it leads."""

    user: User
    htmx: HtmxDetails
    place: Place


def workspaces_of(user: User) -> list[Workspace]:
    """All workspaces of a person's organizations, each with its `organization` and the person's `role` in it."""
    found = Workspace.objects.filter(organization__memberships__user=user).select_related("organization")
    found = found.annotate(
        role=F("organization__memberships__role"),
        membership_id=F("organization__memberships__id"),
        membership_created_at=F("organization__memberships__created_at"),
        last_workspace_id=F("organization__memberships__last_workspace_id"),
        last_visited_at=F("organization__memberships__last_visited_at"),
    )
    return list(found.order_by("organization__slug", "slug"))


def place_of(user: User, organization: str, workspace: str) -> Place | None:
    """The person's place in the workspace of these slugs; None if it is not theirs, or does not exist."""
    workspaces = workspaces_of(user)
    for found in workspaces:
        if (found.organization.slug, found.slug) == (organization, workspace):
            return Place(
                user=user,
                membership=_membership(user, found),
                organization=found.organization,
                workspace=found,
                role=Role(cast(Any, found).role),
                workspaces=tuple(workspaces),
            )
    return None


def _membership(user: User, workspace: Any) -> Membership:
    """The membership that the workspace was found through."""
    return Membership(
        id=workspace.membership_id,
        user=user,
        organization=workspace.organization,
        role=workspace.role,
        created_at=workspace.membership_created_at,
        last_workspace_id=workspace.last_workspace_id,
        last_visited_at=workspace.last_visited_at,
    )


def page(view: View | None = None, *, role: Role = Role.VIEWER) -> Any:
    """Let members with this role see the page. Others are asked to log in, sent away (403), or find nothing (404)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(
            request: HttpRequest, organization: str, workspace: str, **kwargs: Any
        ) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _ask_to_log_in(request)
            place = place_of(request.user, organization, workspace)
            if place is None:
                raise Http404
            cast(PageRequest, request).place = place
            if not place.allows(role):
                raise PermissionDenied(f"This needs the role {role}; yours is {place.role}.")
            _remember(request, place)
            response = view(request, **kwargs)
            patch_cache_control(response, private=True, no_store=True)
            return response

        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate(view) if view is not None else decorate


def _ask_to_log_in(request: HttpRequest) -> HttpResponse:
    """Lead to the login and back; a part of a page cannot be led, so the whole page is."""
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=204)
        response["HX-Redirect"] = reverse("agents:login")
        return response
    return redirect_to_login(request.get_full_path())


def _remember(request: HttpRequest, place: Place) -> None:
    """Begin here the next time. Written only when somebody moves."""
    here = str(place.workspace.pk)
    if request.session.get("place") != here:
        request.session["place"] = here
        Membership.objects.filter(pk=place.membership.pk).update(
            last_workspace=place.workspace, last_visited_at=Now()
        )
