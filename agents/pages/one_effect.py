"""One form, one effect: who presses a button twice, or sends a form again, is led to what the first came to.

    @page(role=Role.ADMIN)
    @one_effect
    def new(request: PageRequest) -> HttpResponse: ...

    <form method="post">{% csrf_token %}{% one_effect %} …

Each form that is shown has a token of its own. It is recorded in the transaction that does what the form is for, so
the second sending waits until the first is done. A form that led nowhere, because something in it was wrong, may be
sent again. Whoever posts by hand, without a token, has an effect each time.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from agents.models import SentForm

FIELD = "one_effect"
TOKEN = re.compile(r"[\w-]{22,64}", re.ASCII)
#: Nobody sends a form a second time that late.
KEPT = timedelta(days=1)

View = Callable[..., HttpResponseBase]


def new_token() -> str:
    """What tells one form from every other."""
    return secrets.token_urlsafe(18)


def one_effect(view: View) -> View:
    """Let a form that this view gets have its effect once. The view is for people who are logged in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        token = request.POST.get(FIELD, "") if request.method == "POST" else ""
        if not TOKEN.fullmatch(token) or not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        with transaction.atomic():
            # Waits for a transaction that is doing it just now.
            sent, is_first = SentForm.objects.get_or_create(user=request.user, token=token)
            if not is_first:
                return _again(request, sent)
            response = view(request, *args, **kwargs)
            _remember(request, sent, response)
        return response

    return guarded


def _again(request: HttpRequest, sent: SentForm) -> HttpResponseBase:
    messages.info(request, "That form was sent twice; it was done once.")
    return HttpResponseRedirect(sent.led_to, status=303)


def _remember(request: HttpRequest, sent: SentForm, response: HttpResponseBase) -> None:
    if not 300 <= response.status_code < 400:
        sent.delete()
        return
    sent.led_to = response["Location"]
    sent.save(update_fields=["led_to"])
    SentForm.objects.filter(user=sent.user, sent_at__lt=Now() - KEPT).delete()
    if request.session.modified:
        # What is kept there to be shown has to be there for whoever waits for this transaction. Written again
        # afterwards, it would come back after it has been shown.
        request.session.save()
        request.session.modified = False
