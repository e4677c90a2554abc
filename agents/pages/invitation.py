"""The page of somebody who is invited: they choose a password and are in."""

from __future__ import annotations

from django.contrib import auth
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from agents import invitations


def path_of(invitation: str) -> str:
    """The address of the page for this invitation: in the query, which is not logged."""
    return f"{reverse('agents:invitation')}?{urlencode({'of': invitation})}"


@sensitive_post_parameters()
@csrf_protect
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Let whoever has the link choose a password, and sign them in."""
    text = (request.POST if request.method == "POST" else request.GET).get("of", "")
    form = SetPasswordForm(invitations.invited(text), request.POST if request.method == "POST" else None)
    if request.method == "GET" or not form.is_valid():
        return _form(request, form, text)
    user: User = invitations.accept(text, form.cleaned_data["new_password1"])
    auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("home")


def _form(request: HttpRequest, form: SetPasswordForm[User], text: str) -> HttpResponse:
    member_of = form.user.memberships.select_related("organization")
    context = {"form": form, "of": text, "person": form.user, "memberships": member_of}
    return render(request, "agents/invitation.html", context, status=422 if form.errors else 200)
