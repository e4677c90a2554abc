"""The pages on which superusers look after organizations, workspaces, members, agents and API keys.

The domain does the work here too: agents are changed by `registry`, keys are made and revoked by `keys`. No hash, token
or secret can be seen or edited; a new one is shown on the page behind its making, once, and nowhere else.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from agents import addresses, callbacks, keys, membership, registry
from agents.errors import ApiError
from agents.models import (
    AGENT_SCOPES,
    Agent,
    AgentStatus,
    ApiKey,
    DeliveryMode,
    Membership,
    Organization,
    Scope,
    Workspace,
)
from agents.moments import LATEST_YEAR
from agents.superusers import SuperusersOnly

SETTINGS = ("display_name", "description", "delivery_mode", "callback_url", "max_in_flight")


@admin.register(Organization)
class OrganizationAdmin(SuperusersOnly):
    """Tenants. The slug stays: addresses are made of it."""

    added, changed = "organization.created", "organization.renamed"
    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")
    fields = ("slug", "name", "id", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("id", "created_at", "slug") if obj else ("id", "created_at")

    def tenants(self, obj: Any) -> list[UUID]:
        return [obj.pk]


@admin.register(Workspace)
class WorkspaceAdmin(SuperusersOnly):
    """Divisions of tenants. Slug and tenant stay."""

    added, changed = "workspace.created", "workspace.renamed"
    list_display = ("slug", "organization", "name", "created_at")
    list_select_related = ("organization",)
    list_filter = ("organization",)
    search_fields = ("slug", "name", "organization__slug")
    autocomplete_fields = ("organization",)
    fields = ("organization", "slug", "name", "id", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("id", "created_at", "organization", "slug") if obj else ("id", "created_at")


@admin.register(Membership)
class MembershipAdmin(SuperusersOnly):
    """Who may see and do what, where. The last administrator of an organization stays one here, too."""

    added = "member.added"
    list_display = ("user", "organization", "role", "created_at")
    list_select_related = ("user", "organization")
    list_filter = ("role", "organization")
    search_fields = ("user__username", "user__email", "organization__slug")
    autocomplete_fields = ("user", "organization")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user", "organization") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change:
            membership.change_role(self.who(request), obj.pk, obj.role)
        else:
            obj.save()

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        membership.remove(self.who(request), obj.pk)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for each in queryset:
            self.delete_model(request, each)

    def target(self, obj: Membership) -> str:
        return f"user:{obj.user_id}"


class AgentForm(forms.ModelForm):
    """What administrators decide about an agent."""

    class Meta:
        model = Agent
        fields = ("workspace", "name", "status", *SETTINGS)

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        try:
            if data.get("callback_url"):
                callbacks.check(data["callback_url"])
        except ApiError as error:
            self.add_error("callback_url", error.message)
        if data.get("delivery_mode") == DeliveryMode.HTTP and not data.get("callback_url"):
            self.add_error("callback_url", "is needed in delivery mode http")
        if self.instance.pk is None and "name" in data and "workspace" in data:
            self._check_name(data["name"], data["workspace"])
        return data

    def _check_name(self, name: str, workspace: Workspace) -> None:
        slug = None if "/" in name else addresses.slug_of(name)
        if slug is None or len(name) > 120:
            self.add_error("name", "needs 2 to 63 letters, digits, '.', '_' or '-'")
            return
        address = addresses.full(workspace.organization.slug, workspace.slug, slug)
        known = registry.registered(workspace.organization_id).exclude(status=AgentStatus.REVOKED)
        if known.filter(address=address).exists():
            self.add_error("name", f"{address} is registered already")


@admin.register(Agent)
class AgentAdmin(SuperusersOnly):
    """Agents, registered or merely addressed. Address and tenant stay; revoking is final for the keys."""

    added, changed = "agent.registered", "agent.changed"
    form = AgentForm
    list_display = ("address", "status", "is_registered", "delivery_mode", "max_in_flight", "last_seen_at")
    list_filter = ("status", "is_registered", "delivery_mode", "organization")
    search_fields = ("address", "name", "display_name", "service_account_id")
    autocomplete_fields = ("workspace",)
    facts = (
        "service_account_id",
        "address",
        "organization",
        "is_registered",
        "created_by",
        "created_at",
        "updated_at",
        "last_seen_at",
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (
            ("workspace", "name", "status", *SETTINGS, *self.facts)
            if obj
            else ("workspace", "name", *SETTINGS)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("workspace", "name", *self.facts) if obj else ()

    def target(self, obj: Agent) -> str:
        return obj.service_account_id

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_revoked = obj is not None and obj.status == AgentStatus.REVOKED
        return super().has_change_permission(request, obj) and not is_revoked

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        data = form.cleaned_data
        settings = cast(
            registry.Settings, {name: data[name] for name in (*SETTINGS, "status") if name in data}
        )
        if change:
            registered = registry.change(obj, **settings)
        else:
            by = f"human:{request.user}"
            registered = registry.register(data["workspace"], data["name"], created_by=by, **settings)
        obj.pk = registered.agent.pk
        obj.refresh_from_db()
        request.callback_secret = registered.callback_secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Agent, post_url_continue: Any = None) -> HttpResponse:
        return self._secret(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Agent) -> HttpResponse:
        return self._secret(request, obj) or super().response_change(request, obj)

    def _secret(self, request: HttpRequest, obj: Agent) -> HttpResponse | None:
        secret = getattr(request, "callback_secret", "")
        return self.show_once(request, "Secret that signs callbacks", secret) if secret else None


class ApiKeyForm(forms.ModelForm):
    """What is decided when a key is made. Nothing about it changes later."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=list(AGENT_SCOPES), widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("agent", "scopes", "expires_at")

    def clean_agent(self) -> Agent:
        agent: Agent = self.cleaned_data["agent"]
        if not agent.is_registered or agent.status != AgentStatus.ACTIVE:
            raise ValidationError("Only registered, active agents can have keys.")
        return agent

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("This lies in the past.")
        if expires_at is not None and expires_at.year > LATEST_YEAR:
            raise ValidationError("This lies too far in the future.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(SuperusersOnly):
    """Keys: made, listed and revoked. The token is shown when it is made, and never again."""

    added, changed = "key.created", "key.revoked"
    form = ApiKeyForm
    list_display = ("hint", "agent", "permits", "state", "last_used_at", "expires_at", "created_at")
    list_select_related = ("agent",)
    list_filter = ("organization",)
    search_fields = ("id", "hint", "agent__address")
    autocomplete_fields = ("agent",)
    actions = ("revoke",)
    facts = (
        "id",
        "hint",
        "agent",
        "organization",
        "permits",
        "state",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "last_used_ip",
        "last_used_client",
        "created_by",
        "created_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        queryset: QuerySet[ApiKey] = super().get_queryset(request)
        return queryset.defer("secret_hash")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.facts if obj else ("agent", "scopes", "expires_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="scopes")
    def permits(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="status")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return "expired"
        return "active" if key.agent.status == AgentStatus.ACTIVE else f"agent {key.agent.status}"

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        data = form.cleaned_data
        key, token = keys.issue(
            data["agent"],
            created_by=f"human:{request.user}",
            scopes=data["scopes"],
            expires_at=data["expires_at"],
        )
        obj.pk = key.pk
        obj.refresh_from_db()
        request.token = token  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        return self.show_once(request, "API key", request.token)  # type: ignore[attr-defined]

    @admin.action(description="Revoke selected API keys")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        with transaction.atomic():
            revoked = [keys.revoke(key) for key in queryset.filter(revoked_at=None)]
            for key in revoked:
                self.log_change(request, key, "Revoked.")
        self.message_user(request, f"{len(revoked)} revoked.", messages.SUCCESS)


admin.site.unregister(User)
admin.site.unregister(Group)  # a member's role says what they may do; groups would say nothing


@admin.register(User)
class PersonAdmin(SuperusersOnly, UserAdmin):
    """People and their logins. Nobody is deleted, as history speaks of them: a login is closed instead."""

    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    changed = "person.changed"
    list_display = ("username", "is_active", "is_superuser", "last_login", "date_joined")
    list_filter = ("is_active", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "email")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )

    def tenants(self, obj: User) -> list[UUID]:
        return list(obj.memberships.values_list("organization_id", flat=True))

    def target(self, obj: User) -> str:
        return f"user:{obj.pk}"
