"""One's own account: the password, and the devices one is signed in on."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from agents import signing_in
from agents.errors import RateLimited
from agents.pages import shell
from agents.signing_in import WrongPassword


class PasswordForm(PasswordChangeForm):
    """Django's, but without the focus: the page is about more than the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show who one is here, and where one is signed in."""
    return _page(request, PasswordForm(_signed_in(request)))


@sensitive_post_parameters()
@never_cache
@login_required
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password. Whoever is signed in elsewhere has to know the new one."""
    try:
        # Counted as at the login: else whoever finds a browser open could guess here as often as they like.
        signing_in.check_password(
            request,
            _signed_in(request).get_username(),
            request.POST.get("old_password", ""),
            is_at_home=False,
        )
    except RateLimited as refused:
        response = _page(request, PasswordForm(_signed_in(request)), refused=refused.message, status=429)
        response["Retry-After"] = str(refused.retry_after)
        return response
    except WrongPassword:
        pass  # the form says so
    form = PasswordForm(_signed_in(request), request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    with transaction.atomic():
        user = form.save()
        signing_in.tell_organizations(user, "person.password_changed")
        signing_in.sign_out(user, but=str(request.session.session_key))
        before = str(request.session.session_key)
        update_session_auth_hash(request, user)
        signing_in.move_device(before, str(request.session.session_key))
    messages.success(request, "Password changed. All other devices are signed out.")
    return redirect("agents:account")


@login_required
@require_POST
def end_session(request: HttpRequest, device_id: int) -> HttpResponse:
    """Sign out one device."""
    if signing_in.sign_out(_signed_in(request), [device_id]):
        messages.success(request, "That device is signed out.")
    return redirect("agents:account")


@login_required
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    ended = signing_in.sign_out(_signed_in(request), but=str(request.session.session_key))
    messages.success(request, f"Signed out on {ended} other device{'' if ended == 1 else 's'}.")
    return redirect("agents:account")


def _page(request: HttpRequest, form: PasswordForm, *, refused: str = "", status: int = 200) -> HttpResponse:
    user = _signed_in(request)
    context = {
        "form": form,
        "refused": refused,
        "devices": signing_in.devices(user),
        "here": request.session.session_key,
        "has_workspace": bool(shell.workspaces_of(user)),
        "memberships": user.memberships.select_related("organization"),
    }
    return render(request, "agents/account.html", context, status=status)


def _signed_in(request: HttpRequest) -> User:
    """The person; `login_required` has seen to it that there is one."""
    assert request.user.is_authenticated
    return request.user
