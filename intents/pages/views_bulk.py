"""Actions on many intents: what is going to happen, asked first; then how far it has come."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from agents.errors import Invalid
from agents.models import Role
from agents.pages.one_effect import one_effect
from agents.pages.shell import PageRequest, page
from intents import bulk_actions, tasks
from intents.bulk_actions import ActionNotFound, ActionOver, Plan
from intents.models import BulkAction

#: Of what could not be done, so many are listed.
MOST_FAILURES = 500

#: kind -> (title, consequence)
WORDS: dict[str, tuple[str, str]] = {
    "cancel": (
        "Cancel",
        "They are withdrawn from their agents. Attempts that are running are cut off: their results will be refused."
        " A canceled intent stays canceled; to have it done after all, retry it as a new one.",
    ),
    "retry": (
        "Retry",
        "For each a new intent with the same content and correlation id is submitted to the same agent."
        " The old ones stay as they ended, and name the new ones.",
    ),
    "redeliver": (
        "Redeliver",
        "They are due at once. Whoever works on one of them now loses it, and its result will be refused;"
        " the next attempt goes on from what was saved.",
    ),
}


@page(role=Role.OPERATOR)
@require_POST
@one_effect
def bulk_new(request: PageRequest) -> HttpResponse:
    """Say what would be done and to how many, and ask for confirmation; with that, begin."""
    operator = request.place.operator(request)
    plan = bulk_actions.plan(
        operator,
        request.POST.get("kind") or request.POST.get("action", ""),
        ids=_ids(request),
        query=request.POST["filter"] if "filter" in request.POST else request.POST.get("query"),
    )
    if "confirmed" not in request.POST:
        return _ask(request, plan)
    plan = _as_shown(request, plan)
    try:
        action = bulk_actions.begin(
            operator,
            plan,
            reason=request.POST.get("reason", ""),
            typed=request.POST.get("typed", ""),
            from_checkpoints=request.POST.get("checkpoints", "keep") == "keep",
        )
    except Invalid as error:
        return _ask(request, plan, problem=error.message)
    transaction.on_commit(partial(_go, action.pk))
    return HttpResponseRedirect(request.place.url("intents:bulk", action_id=action.pk), status=303)


def _go(action_id: UUID) -> None:
    try:
        tasks.run_bulk_action.delay(str(action_id))
    except OSError:
        return  # no broker just now: the next look for what has lost its worker finds it


@page
@require_safe
def bulk(request: PageRequest, action_id: UUID) -> HttpResponse:
    """How far it has come, and what could not be done."""
    action = _found(request, action_id)
    template = "intents/_progress.html" if request.htmx else "intents/bulk.html"
    return render(request, template, _context(action) | {"place": request.place})


@page(role=Role.OPERATOR)
@require_POST
@one_effect
def bulk_stop(request: PageRequest, action_id: UUID) -> HttpResponse:
    """Let it do no more."""
    try:
        bulk_actions.stop(request.place.operator(request), action_id)
    except ActionNotFound:
        raise Http404 from None
    except ActionOver as error:
        messages.warning(request, f"Nothing was changed: {error.message}.")
    else:
        messages.success(request, "Stopped. What is done stays done.")
    return HttpResponseRedirect(request.place.url("intents:bulk", action_id=action_id), status=303)


def _found(request: PageRequest, action_id: UUID) -> BulkAction:
    try:
        return bulk_actions.find(request.place.operator(request), action_id)
    except ActionNotFound:
        raise Http404 from None


def _context(action: BulkAction) -> dict[str, object]:
    failures = list(action.failures.order_by("-intent_id")[: MOST_FAILURES + 1])
    return {
        "action": action,
        "title": WORDS[action.kind][0],
        "whole": max(action.expected, action.looked_at, 1),
        "failures": failures[:MOST_FAILURES],
        "has_more_failures": len(failures) > MOST_FAILURES,
    }


def _ask(request: PageRequest, plan: Plan, problem: str = "") -> HttpResponse:
    title, consequence = WORDS[plan.kind]
    context = {
        "plan": plan,
        "title": title,
        "consequence": consequence,
        "ids": ",".join(str(each) for each in plan.ids or ()),
        "problem": problem,
        "typed": request.POST,
        "needs_reason": plan.kind == "cancel",
    }
    return render(request, "intents/bulk_new.html", context, status=422 if problem else 200)


def _as_shown(request: PageRequest, plan: Plan) -> Plan:
    """The plan that was confirmed: with the count that was shown, and no intent that is newer than that."""
    if plan.query is None:
        return plan
    try:
        return replace(
            plan,
            newest=UUID(request.POST.get("newest", "")),
            expected=max(0, min(int(request.POST.get("expected", "")), 2**31 - 1)),
            is_estimate=request.POST.get("is_estimate") == "1",
        )
    except ValueError:
        raise BadRequest("The form is not ours.") from None


def _ids(request: PageRequest) -> list[UUID]:
    texts = [text for field in request.POST.getlist("ids") for text in field.split(",") if text]
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        raise Invalid("ids: these are no ids of intents") from None
