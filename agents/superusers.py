"""What all pages of the admin have in common: who gets in, and that whatever they write is noted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from agents import audit
from agents.pages import once
from agents.pages.one_effect import one_effect


class SuperusersOnly(ModelAdmin):
    """Pages for superusers; members of organizations have the dashboard.

    What superusers write here is noted in the audit log of the organization that it concerns.
    """

    #: what happened, in the words of the audit log; "" where the domain notes it itself
    added, changed = "", ""

    change_form_before_template = "agents/admin_one_effect.html"

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Django's; a form that is sent twice makes one key."""
        return one_effect(super().changeform_view)(request, *args, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing that history speaks of is deleted."""
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.note(request, self.added, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = [name for said in message for name in said.get("changed", {}).get("fields", [])] if (
            isinstance(message, list)
        ) else []  # fmt: skip
        if fields or not isinstance(message, list):  # a form that was sent as it was changes nothing
            self.note(request, self.changed, obj, **({"fields": fields} if fields else {"message": message}))
        return super().log_change(request, obj, message)

    def note(self, request: HttpRequest, action: str, obj: Any, **details: Any) -> None:
        """Leave an entry in the audit log of whoever the object belongs to."""
        for organization_id in self.tenants(obj) if action else ():
            audit.record(
                self.who(request),
                action,
                self.target(obj),
                organization_id=organization_id,
                target_label=str(obj),
                details={**details, "in": "admin"},
            )

    def who(self, request: HttpRequest) -> str:
        return f"human:{request.user}"

    def tenants(self, obj: Any) -> list[UUID]:
        return [obj.organization_id]

    def target(self, obj: Any) -> str:
        return str(obj.pk)

    # -- secrets ----------------------------------------------------------------------------------------------

    def show_once(self, request: HttpRequest, title: str, secret: str) -> HttpResponse:
        """Lead to the only page that ever shows this secret: reloading that makes nothing a second time."""
        ticket = once.keep(request, title=title, secret=secret)
        return HttpResponseRedirect(reverse(self._name_of_shown, kwargs={"ticket": ticket}), status=303)

    @property
    def _name_of_shown(self) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_shown"

    def get_urls(self) -> list[URLPattern]:
        shown = path(
            "shown/<slug:ticket>/",
            self.admin_site.admin_view(self.shown),
            name=self._name_of_shown.partition(":")[2],
        )
        return [shown, *super().get_urls()]  # the last of the others takes whatever it gets for an id

    def shown(self, request: HttpRequest, ticket: str) -> HttpResponse:
        """Show a secret, this once."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kept = once.take(request, ticket) or {"title": "This has been shown", "secret": ""}
        context = {**self.admin_site.each_context(request), **kept, "opts": self.opts}
        response = TemplateResponse(request, "agents/secret_shown_once.html", context)
        response["Cache-Control"] = "private, no-store"
        return response
