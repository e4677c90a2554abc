"""Every address that Perdure answers at."""

from django.contrib import admin
from django.urls import include, path

from agents.pages import leading, login

urlpatterns = [
    # Served by the fast handler, which never comes here; listed so that `reverse` knows them.
    path("", include("controlplane.edge_urls")),
    path("", leading.home, name="home"),
    path("", include("agents.pages.urls")),
    path("", include("intents.pages.urls")),
    path("admin/login/", login.admin_login),  # before the admin's own
    path("admin/", admin.site.urls),
]

handler400 = "agents.pages.errors.bad_request"
handler403 = "agents.pages.errors.permission_denied"
handler404 = "agents.pages.errors.not_found"
handler500 = "agents.pages.errors.server_error"
