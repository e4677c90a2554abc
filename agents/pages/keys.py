"""API keys: which there are, and for administrators making, rotating and revoking them. A token is shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from agents import key_desk
from agents.errors import Conflict, Invalid
from agents.key_desk import Issued
from agents.models import AGENT_SCOPES, Agent, AgentStatus, ApiKey, Role, Scope
from agents.pages import once
from agents.pages.errors import sentence
from agents.pages.one_effect import one_effect
from agents.pages.shell import PageRequest, page

PER_PAGE = 100
#: Of the agents that a key can be made for, so many are suggested.
SUGGESTED = 200
EXPIRING = timedelta(days=7)

#: scope -> what it lets its holder do
SCOPES: Final[dict[str, str]] = {
    Scope.SUBMIT: "Submit intents, and answer those that wait for their sender.",
    Scope.READ: "Read intents, their timelines and checkpoints, and the list of agents.",
    Scope.AGENT: "Be the agent: listen, acknowledge, save checkpoints, complete.",
    Scope.OPERATE: "Cancel, redeliver and retry intents, whoever sent them.",
    Scope.ADMIN: "Everything, making agents and keys included.",
    Scope.METRICS: "Read /metrics from another machine.",
}
#: name -> (days, words); None: forever
LIFETIMES: Final[dict[str, tuple[int | None, str]]] = {
    "1": (1, "in a day"),
    "7": (7, "in 7 days"),
    "30": (30, "in 30 days"),
    "90": (90, "in 90 days"),
    "365": (365, "in a year"),
    "never": (None, "never"),
}
#: name -> (hours, words)
OVERLAPS: Final[dict[str, tuple[int, str]]] = {
    "0": (0, "at once"),
    "1": (1, "in an hour"),
    "24": (24, "in a day"),
    "168": (168, "in 7 days"),
    "720": (720, "in 30 days"),
}


@page
@require_safe
def keys(request: PageRequest) -> HttpResponse:
    """The keys of the workspace: who holds them, what they open, when and whence they were used."""
    found = key_desk.of_workspace(request.place.operator(request))
    agent, shows_all = request.GET.get("agent", "").replace("\x00", "").strip(), request.GET.get("all") == "1"
    if agent:
        found = found.filter(Q(agent__address=agent) | Q(agent__name=agent))
    if not shows_all:
        found = found.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None)
    pages = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    context = {
        "pages": pages,
        "rows": [(key, state(key, now)) for key in pages],
        "agent": agent,
        "shows_all": shows_all,
        "agents": _suggested(request),
    }
    return render(request, "agents/keys.html", context)


@page(role=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def new(request: PageRequest) -> HttpResponse:
    """Make a key, and lead to where its token is shown, once."""
    if request.method != "POST":
        offered = {"agent": request.GET.get("agent", ""), "expires": "90", "scopes": list(AGENT_SCOPES)}
        return _form(request, offered)
    typed: dict[str, Any] = {
        "agent": request.POST.get("agent", ""),
        "label": request.POST.get("label", ""),
        "expires": request.POST.get("expires", ""),
        "scopes": request.POST.getlist("scopes"),
    }
    try:
        issued = key_desk.create(
            request.place.operator(request),
            typed["agent"],
            label=typed["label"],
            scopes=typed["scopes"],
            expires_at=_expiry(typed["expires"]),
        )
    except (Invalid, Conflict) as error:
        return _form(request, typed, problem=sentence(error.message), status=error.status)
    return _shown_once(request, issued)


@page(role=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def rotation(request: PageRequest, key_id: str) -> HttpResponse:
    """Make the key that takes over, and let the old one end when all have changed."""
    operator = request.place.operator(request)
    key = key_desk.find(operator, key_id)
    problem, status = "", 200
    if request.method == "POST":
        try:
            issued = key_desk.rotate(operator, key_id, overlap=_overlap(request.POST.get("overlap", "")))
        except (Invalid, Conflict) as error:
            problem, status = sentence(error.message), error.status
        else:
            return _shown_once(request, issued, replaced=key_desk.find(operator, key_id))
    context = {"key": key, "state": state(key, timezone.now()), "overlaps": OVERLAPS, "problem": problem}
    return render(request, "agents/key_rotation.html", context, status=status)


@page(role=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
@one_effect
def revocation(request: PageRequest, key_id: str) -> HttpResponse:
    """Ask whether to revoke the key, and do."""
    operator = request.place.operator(request)
    key = key_desk.find(operator, key_id)
    if request.method != "POST":
        return render(
            request, "agents/key_revocation.html", {"key": key, "state": state(key, timezone.now())}
        )
    key_desk.revoke(operator, key_id, reason=" ".join(request.POST.get("reason", "").split())[:500])
    messages.success(request, f"The key {key.label or key.hint} is revoked.")
    return HttpResponseRedirect(request.place.url("agents:keys"), status=303)


@page(role=Role.ADMIN)
@require_safe
def issued(request: PageRequest, ticket: str) -> HttpResponse:
    """Show a new key, this once. It is not kept by browsers (`page` sees to that)."""
    operator, shown = request.place.operator(request), once.take(request, ticket)
    if shown is None:
        return render(request, "agents/key_issued.html", {"key": None})
    replaced = key_desk.find(operator, shown["replaced"]) if shown["replaced"] else None
    context = {"key": key_desk.find(operator, shown["key_id"]), "token": shown["token"], "replaced": replaced}
    return render(request, "agents/key_issued.html", context)


def state(key: ApiKey, now: datetime) -> str:
    """Where a key stands, in a word that `statuses` knows."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    if key.agent.status != AgentStatus.ACTIVE:
        return str(key.agent.status)
    return "expiring" if key.expires_at is not None and key.expires_at <= now + EXPIRING else "active"


def _form(
    request: PageRequest, typed: dict[str, Any], *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "typed": typed,
        "problem": problem,
        "scopes": SCOPES,
        "lifetimes": LIFETIMES,
        "agents": _suggested(request),
    }
    return render(request, "agents/key_new.html", context, status=status)


def _shown_once(request: PageRequest, issued: Issued, replaced: ApiKey | None = None) -> HttpResponse:
    """Lead to the only page that ever shows this token: reloading that makes no second key."""
    ticket = once.keep(
        request, key_id=issued.key.pk, token=issued.token, replaced=replaced.pk if replaced else None
    )
    return HttpResponseRedirect(request.place.url("agents:key-issued", ticket=ticket), status=303)


def _suggested(request: PageRequest) -> list[str]:
    found = Agent.objects.filter(organization=request.place.organization, workspace=request.place.workspace)
    return list(found.exclude(status=AgentStatus.REVOKED).values_list("address", flat=True)[:SUGGESTED])


def _expiry(chosen: str) -> datetime | None:
    if chosen not in LIFETIMES:
        raise Invalid("expiry: choose one of those offered")
    days, _ = LIFETIMES[chosen]
    return None if days is None else timezone.now() + timedelta(days=days)


def _overlap(chosen: str) -> timedelta:
    if chosen not in OVERLAPS:
        raise Invalid("overlap: choose one of those offered")
    return timedelta(hours=OVERLAPS[chosen][0])
