"""The page of somebody who is invited: they join as who they are, or choose a password and are in.

The page asks nobody whether the name is taken: a person who is signed in as somebody else, or as nobody, is shown both
ways, and whoever chooses a password for a name that is taken is told to sign in.
"""

from __future__ import annotations

from django.contrib import auth
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from agents import invitations
from agents.invitations import NameTaken
from agents.models import Invitation, Membership
from agents.pages.errors import sentence


def path_of(link: str) -> str:
    """The address of the page for this invitation: in the query, which is not logged."""
    return f"{reverse('agents:invitation')}?{urlencode({'of': link})}"


@sensitive_post_parameters()
@csrf_protect
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Let whoever has the link join: as who they are, if theirs is the name, or as somebody new."""
    link = (request.POST if request.method == "POST" else request.GET).get("of", "")
    found = invitations.invited(link)
    if request.user.is_authenticated and invitations.is_for(found, request.user):
        if request.method == "GET":
            return _page(request, found, link)
        return _in(invitations.take_up(link, request.user))
    form = SetPasswordForm(User(username=found.username), request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return _page(request, found, link, form)
    try:
        member = invitations.take_up_anew(link, form.cleaned_data["new_password1"])
    except NameTaken as refused:
        return _page(request, found, link, form, refused)
    auth.login(request, member.user, backend="django.contrib.auth.backends.ModelBackend")
    return _in(member)


def _in(member: Membership) -> HttpResponse:
    """Lead to where the person is new."""
    first = member.organization.workspaces.order_by("slug").first()
    there = f"o/{member.organization.slug}/{first.slug}/" if first else ""
    return HttpResponseRedirect(reverse("home") + there)  # the home page is where all paths begin


def _page(
    request: HttpRequest,
    found: Invitation,
    link: str,
    form: SetPasswordForm[User] | None = None,
    refused: NameTaken | None = None,
) -> HttpResponse:
    context = {
        "invitation": found,
        "of": link,
        "form": form,
        "problem": sentence(refused.message) if refused else "",
        "sign_in": urlencode({"next": path_of(link)}),
    }
    status = refused.status if refused else 422 if form and form.errors else 200
    return render(request, "agents/invitation.html", context, status=status)
