"""Every address that Perdure answers at."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # Served by the fast handler, which never comes here; listed so that `reverse` knows them.
    path("", include("controlplane.edge_urls")),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
]
