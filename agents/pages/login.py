"""Signing in and out. The admin's login leads here too."""

from __future__ import annotations

from typing import Any

from django.contrib import auth
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from agents import signing_in
from agents.errors import ApiError, RateLimited
from agents.pages.leading import safe_next


@sensitive_post_parameters("password")
@csrf_protect
@never_cache
@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Ask who it is, and lead to where they wanted to go."""
    if request.method == "GET":
        return redirect(safe_next(request)) if request.user.is_authenticated else _form(request)
    try:
        user = signing_in.check_password(
            request, request.POST.get("username", ""), request.POST.get("password", "")
        )
    except ApiError as refused:
        return _form(request, refused)
    auth.login(request, user)
    return HttpResponseRedirect(safe_next(request))


def _form(request: HttpRequest, refused: ApiError | None = None) -> HttpResponse:
    context = {
        "next": request.POST.get("next") or request.GET.get("next") or "",
        "username": request.POST.get("username", ""),
        "error": refused.message if refused else "",
    }
    response = render(request, "agents/login.html", context, status=refused.status if refused else 200)
    if isinstance(refused, RateLimited):
        response["Retry-After"] = str(refused.retry_after)
    return response


@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Lead from the admin's login to ours. Somebody who is logged in, and came here all the same, may not enter."""
    if request.user.is_authenticated:
        raise PermissionDenied("The admin is for staff.")
    return redirect(f"{reverse('agents:login')}?{urlencode({'next': request.GET.get('next', '')})}")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End this session."""
    if request.user.is_authenticated and request.session.session_key:
        device = request.user.sign_ins.filter(session_key=request.session.session_key)
        signing_in.sign_out(request.user, list(device.values_list("pk", flat=True)))
    auth.logout(request)
    return redirect("agents:login")


@receiver(auth.user_logged_in)
def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    if not request.session.session_key:
        request.session.save()
    signing_in.note_device(user, str(request.session.session_key), request.META)
