"""Settings: the organization, its workspaces and its members, for administrators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from agents import invitations, membership, organizing
from agents.errors import ApiError
from agents.invitations import Invited
from agents.models import Role
from agents.pages import once
from agents.pages.errors import sentence
from agents.pages.invitation import path_of
from agents.pages.one_effect import one_effect
from agents.pages.shell import PageRequest, page

#: role -> what who has it may do
ROLES: Final[dict[str, str]] = {
    Role.VIEWER: "sees everything of the workspaces but the audit log",
    Role.OPERATOR: "also cancels, redelivers, retries, kills and resumes, and reads the audit log",
    Role.ADMIN: "also makes and revokes keys, and decides on this page",
}


@page(role=Role.ADMIN)
@require_safe
def settings(request: PageRequest) -> HttpResponse:
    """Who belongs to the organization, and how it is divided."""
    return _settings(request)


def _act(form: str) -> Callable[[Callable[..., str | HttpResponse]], Any]:
    """Do what a form of the page asks for and lead back to it; what cannot be done is said in that form."""

    def decorate(act: Callable[..., str | HttpResponse]) -> Any:
        @page(role=Role.ADMIN)
        @require_http_methods(["GET", "HEAD", "POST"])
        @one_effect
        @wraps(act)
        def acting(request: PageRequest, **named: Any) -> HttpResponse:
            if request.method != "POST":  # somebody came back to the address of a form
                return _back(request)
            try:
                done = act(request, **named)
            except ApiError as error:
                if error.status not in (409, 422):
                    raise
                return _settings(request, form, error, **named)
            if isinstance(done, HttpResponse):
                return done
            messages.success(request, done)
            return _back(request)

        return acting

    return decorate


@_act("organization")
def organization(request: PageRequest) -> str:
    """Rename the organization."""
    renamed = organizing.rename(request.place.operator(request), request.POST.get("name", ""))
    return f"The organization is called {renamed.name}."


@_act("new-workspace")
def workspaces(request: PageRequest) -> str:
    """Add a workspace."""
    operator, posted = request.place.operator(request), request.POST
    made = organizing.create_workspace(operator, posted.get("slug", ""), posted.get("name", ""))
    return f"The workspace {made.slug} is there, in the switcher of every member."


@_act("workspace")
def workspace(request: PageRequest, workspace_id: UUID) -> str:
    """Rename a workspace."""
    operator = request.place.operator(request)
    renamed = organizing.rename_workspace(operator, workspace_id, request.POST.get("name", ""))
    return f"The workspace {renamed.slug} is called {renamed.name}."


@_act("new-member")
def members(request: PageRequest) -> HttpResponse:
    """Invite somebody. Whether they have a login on this server makes no difference that could be seen."""
    operator, posted = request.place.operator(request), request.POST
    return _invited(request, invitations.invite(operator, posted.get("username", ""), posted.get("role", "")))


@_act("member")
def role(request: PageRequest, membership_id: int) -> str:
    """Give a member another role."""
    operator = request.place.operator(request)
    changed = membership.change_role(operator, membership_id, request.POST.get("role", ""))
    return f"{changed.user} is {_a(changed.role)} now."


@_act("invitation")
def renewal(request: PageRequest, invitation_id: int) -> HttpResponse:
    """Make a new link for somebody who has not followed the first."""
    return _invited(request, invitations.renew(request.place.operator(request), invitation_id))


@_act("invitation")
def withdrawal(request: PageRequest, invitation_id: int) -> str:
    """Take an invitation back."""
    withdrawn = invitations.withdraw(request.place.operator(request), invitation_id)
    return f"{withdrawn.username} is not invited any more."


@page(role=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def removal(request: PageRequest, membership_id: int) -> HttpResponse:
    """Ask whether to remove the member, and do."""
    operator, problem = request.place.operator(request), None
    member = membership.find(operator, membership_id)
    if request.method == "POST":
        try:
            membership.remove(operator, membership_id, reason=request.POST.get("reason", ""))
        except ApiError as error:
            problem = error
        else:
            messages.success(request, f"{member.user} is no member any more.")
            left = member.user_id == operator.user_id
            return HttpResponseRedirect(reverse("home"), status=303) if left else _back(request)
    context = {"member": member, "problem": sentence(problem.message) if problem else ""}
    return render(request, "agents/member_removal.html", context, status=problem.status if problem else 200)


@page(role=Role.ADMIN)
@require_safe
def invited(request: PageRequest, ticket: str) -> HttpResponse:
    """Show the link of an invitation, this once."""
    shown = once.take(request, ticket)
    link = request.build_absolute_uri(path_of(shown["link"])) if shown else ""
    return render(request, "agents/member_invited.html", {"shown": shown, "link": link})


def _invited(request: PageRequest, invited: Invited) -> HttpResponse:
    invitation = invited.invitation
    ticket = once.keep(request, link=invited.link, name=invitation.username, role=invitation.role)
    return HttpResponseRedirect(request.place.url("agents:member-invited", ticket=ticket), status=303)


def _back(request: PageRequest) -> HttpResponse:
    return HttpResponseRedirect(request.place.url("agents:settings"), status=303)


def _settings(
    request: PageRequest, form: str = "", error: ApiError | None = None, **named: Any
) -> HttpResponse:
    operator = request.place.operator(request)
    context = {
        "members": membership.members(operator),
        "invitations": invitations.waiting(operator),
        "divisions": organizing.workspaces(operator),
        "roles": ROLES,
        "wrong": {"form": form, "message": sentence(error.message) if error else "", **named},
        "typed": request.POST,
    }
    return render(request, "agents/settings.html", context, status=error.status if error else 200)


def _a(role: str) -> str:
    return f"{'a' if role == Role.VIEWER else 'an'} {role}"
