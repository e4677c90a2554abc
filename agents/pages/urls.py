"""The addresses of the dashboard's shell, and of its pages about people, keys and agents."""

from __future__ import annotations

from django.urls import path

from agents.pages import account, audit_log, keys, login, theme
from agents.pages.shell import PLACE

app_name = "agents"

urlpatterns = [
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("account/", account.account, name="account"),
    path("account/password/", account.change_password, name="password"),
    path("account/sessions/end/", account.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<int:device_id>/end/", account.end_session, name="end-session"),
    path("account/theme/", theme.choose_theme, name="theme"),
    path(f"{PLACE}keys/", keys.keys, name="keys"),
    path(f"{PLACE}keys/new/", keys.new, name="key-new"),
    path(f"{PLACE}keys/<slug:key_id>/rotation/", keys.rotation, name="key-rotation"),
    path(f"{PLACE}keys/<slug:key_id>/revocation/", keys.revocation, name="key-revocation"),
    path(f"{PLACE}audit/", audit_log.audit_log, name="audit"),
    path(f"{PLACE}audit/export/", audit_log.export, name="audit-export"),
]
