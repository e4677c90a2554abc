"""The addresses of the dashboard's shell, and of its pages about people, keys and agents."""

from __future__ import annotations

from django.urls import path

from agents.pages import account, audit_log, invitation, keys, login, settings, theme
from agents.pages.shell import PLACE

app_name = "agents"

urlpatterns = [
    path("login/", login.login, name="login"),
    path("logout/", login.logout, name="logout"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("account/", account.account, name="account"),
    path("account/password/", account.change_password, name="password"),
    path("account/sessions/end/", account.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<int:device_id>/end/", account.end_session, name="end-session"),
    path("account/theme/", theme.choose_theme, name="theme"),
    path(f"{PLACE}keys/", keys.keys, name="keys"),
    path(f"{PLACE}keys/new/", keys.new, name="key-new"),
    path(f"{PLACE}keys/issued/<slug:ticket>/", keys.issued, name="key-issued"),
    path(f"{PLACE}keys/<slug:key_id>/rotation/", keys.rotation, name="key-rotation"),
    path(f"{PLACE}keys/<slug:key_id>/revocation/", keys.revocation, name="key-revocation"),
    path(f"{PLACE}audit/", audit_log.audit_log, name="audit"),
    path(f"{PLACE}audit/export/", audit_log.export, name="audit-export"),
    path(f"{PLACE}settings/", settings.settings, name="settings"),
    path(f"{PLACE}settings/organization/", settings.organization, name="organization"),
    path(f"{PLACE}settings/workspaces/", settings.workspaces, name="workspaces"),
    path(f"{PLACE}settings/workspaces/<uuid:workspace_id>/", settings.workspace, name="workspace"),
    path(f"{PLACE}settings/members/", settings.members, name="members"),
    path(f"{PLACE}settings/members/<int:membership_id>/role/", settings.role, name="member-role"),
    path(f"{PLACE}settings/members/<int:membership_id>/removal/", settings.removal, name="member-removal"),
    path(
        f"{PLACE}settings/invitations/<int:invitation_id>/renewal/",
        settings.renewal,
        name="invitation-renewal",
    ),
    path(
        f"{PLACE}settings/invitations/<int:invitation_id>/withdrawal/",
        settings.withdrawal,
        name="invitation-withdrawal",
    ),
    path(f"{PLACE}settings/invited/<slug:ticket>/", settings.invited, name="member-invited"),
]
