"""What all pages of the admin have in common: who gets in, and that whatever they write is noted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin

from agents import audit


class SuperusersOnly(ModelAdmin):
    """Pages for superusers; members of organizations have the dashboard.

    What superusers write here is noted in the audit log of the organization that it concerns.
    """

    #: what happened, in the words of the audit log; "" where the domain notes it itself
    added, changed = "", ""

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

    def show_once(self, request: HttpRequest, title: str, secret: str, obj: Any) -> HttpResponse:
        """Answer with a page that shows a secret, which no later page can."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "secret": secret,
            "object": obj,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "agents/secret_shown_once.html", context)
        response["Cache-Control"] = "no-store"
        return response
