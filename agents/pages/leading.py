"""Where to go next: the place that was asked for, if it is one of ours; else where one was last."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from agents.pages import shell


def safe_next(request: HttpRequest) -> str:
    """What `next` says, unless it leads to somebody else's site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("home")


def home(request: HttpRequest) -> HttpResponse:
    """Lead to the workspace where the person was last, or to the only one there is."""
    if not request.user.is_authenticated:
        return redirect("agents:login")
    workspaces = shell.workspaces_of(request.user)
    if not workspaces:
        return render(request, "agents/nowhere.html", status=403)
    # Never visited sorts first in none of these: an empty text is less than any time.
    last = max(workspaces, key=_last_visit)
    return HttpResponseRedirect(
        f"{request.path}o/{last.organization.slug}/{last.slug}/"  # the home page is where all paths begin
    )


def _last_visit(workspace: object) -> tuple[str, bool]:
    """When its organization was visited, and whether this is where."""
    visited = getattr(workspace, "last_visited_at", None)
    was_here = getattr(workspace, "last_workspace_id", None) == getattr(workspace, "pk", None)
    return (visited.isoformat() if visited else "", was_here)
