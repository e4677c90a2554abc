"""The pages on which superusers look at intents and what happened to them. Nothing here changes anything."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.superusers import SuperusersOnly
from intents import blocking
from intents.models import Intent
from intents.wire import timestamp

#: Pages further back than this are found by id or by filter; counting millions of rows for a page footer is no use.
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Counts no further than anybody turns pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


@admin.register(Intent)
class IntentAdmin(SuperusersOnly):
    """Intents with their history, read only."""

    list_display = ("id", "intent_type", "to_agent", "status", "attempt", "created_at", "updated_at")
    list_filter = ("workspace",)
    list_per_page = 50
    search_fields = ("=id",)
    search_help_text = "the id of an intent"
    ordering = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("id", "intent_type", "status", "waiting_reason", "why_not_running", "history")}),
        ("Who", {"fields": ("organization", "workspace", "from_agent", "to_agent", "reply_to")}),
        ("What", {"fields": ("shown_payload", "shown_attributes", "shown_controls", "policy_generation")}),
        ("How often, until when", {"fields": ("attempt", "max_delivery_attempts", "deadline_at")}),
        ("Belongs to", {"fields": ("correlation_id", "parent", "scenario_id", "step_id", "retry_of")}),
        ("When", {"fields": ("created_at", "updated_at", "seq")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Intent]:
        found: QuerySet[Intent] = super().get_queryset(request)
        return found.select_related("organization", "workspace", "parent", "retry_of")

    @admin.display(description="why it is not running")
    def why_not_running(self, intent: Intent) -> str:
        found = blocking.explain_now(intent.pk)
        return f"{found.reason} {found.unblocks_when}" if found else "It has ended."

    @admin.display(description="history")
    def history(self, intent: Intent) -> SafeString:
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><pre>{}</pre></td></tr>",
            (
                (event.seq, timestamp(event.at), event.type, event.status, event.actor, _json(event.details))
                for event in intent.events.order_by("seq")
            ),
        )
        return format_html("<table>{}</table>", rows)

    @admin.display(description="payload")
    def shown_payload(self, intent: Intent) -> SafeString:
        return format_html("<pre>{}</pre>", _json(intent.payload))

    @admin.display(description="attributes")
    def shown_attributes(self, intent: Intent) -> SafeString:
        return format_html("<pre>{}</pre>", _json(intent.attributes))

    @admin.display(description="controls")
    def shown_controls(self, intent: Intent) -> SafeString:
        return format_html("<pre>{}</pre>", _json(intent.controls))


def _json(value: Any) -> str:
    """As people read it; as nothing if there is nothing."""
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
