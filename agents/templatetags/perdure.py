"""What templates of every page need: statuses, times, durations, JSON, and addresses within the workspace.

    {% load perdure %}
    {% status intent.status %}  {% ago intent.created_at %}  {% duration seconds %}  {{ intent.payload|pretty_json }}
    {% place_url "intents:intent" intent_id=intent.id %}

Partials that are included `with … only` have to be given `place` for `place_url`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from agents.pages import browsers, json_view, one_effect as one_effects
from agents.pages.shell import Place
from agents.pages.statuses import SHAPES, STATUSES

register = template.Library()


@register.simple_tag
def status(value: str) -> SafeString:
    """A badge that says where something stands by colour, shape and word."""
    word, kind = STATUSES.get(str(value), (str(value).replace("_", " ").capitalize(), "idle"))
    return format_html('<span class="status status--{}">{}{}</span>', kind, shape(kind), word)


@register.simple_tag
def shape(kind: str) -> SafeString:
    """The shape of a kind of status: `idle`, `active`, `waiting`, `good`, `bad`, `late` or `gone`."""
    drawing = SHAPES.get(kind, SHAPES["idle"])
    return mark_safe(f'<svg class="status__shape" viewBox="0 0 12 12" aria-hidden="true">{drawing}</svg>')  # noqa: S308


@register.simple_tag
def ago(moment: datetime | None, never: str = "never") -> SafeString | str:
    """How long ago that was, or how long until then; js/time.js keeps it true."""
    if moment is None:
        return never
    iso = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    exact = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    text = distance((timezone.now() - moment).total_seconds())
    return format_html('<time datetime="{}" title="{} UTC" data-ago>{}</time>', iso, exact, text)


def distance(seconds: float) -> str:
    """`3 min ago`, `in 2 h`, `just now`. The same rule as in js/time.js."""
    size = abs(seconds)
    if size < 1.5:
        return "just now"
    for unit, length, until in (
        ("s", 1, 60),
        ("min", 60, 3600),
        ("h", 3600, 86400 * 2),
        ("d", 86400, 86400 * 60),
    ):
        if size < until:
            return _directed(f"{int(size // length)} {unit}", seconds)
    return _directed(f"{int(size // (86400 * 30))} mo", seconds)


def _directed(size: str, seconds: float) -> str:
    return f"{size} ago" if seconds > 0 else f"in {size}"


@register.simple_tag
def duration(length: float | timedelta | None) -> str:
    """A length of time, in the two largest units that matter: `840 ms`, `12.4 s`, `3 min 05 s`, `2 d 4 h`."""
    if length is None:
        return "\N{EN DASH}"
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.simple_tag
def one_effect() -> SafeString:
    """The field that lets a form have its effect once, for views that are `@one_effect`."""
    return format_html(
        '<input type="hidden" name="{}" value="{}">', one_effects.FIELD, one_effects.new_token()
    )


@register.filter
def pretty_json(value: Any) -> SafeString:
    """A value as JSON that can be read, folded and trusted: whatever it holds is text."""
    return json_view.render(value)


@register.filter
def browser(user_agent: str) -> str:
    """A browser as people call it: `Firefox 140 on Linux`."""
    return browsers.describe(user_agent)


@register.simple_tag(takes_context=True)
def place_url(context: Context, name: str, **arguments: Any) -> str:
    """The address of one of this workspace's pages."""
    place: Place = context["place"]
    return place.url(name, **arguments)


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """The page's query with some parameters changed, or left out where the value is empty: `?status=FAILED`."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"
