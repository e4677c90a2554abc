"""Every address that Perdure answers at."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    # Served by the fast handler, which never comes here; listed so that `reverse` knows them.
    path("", include("controlplane.edge_urls")),
    path("admin/", admin.site.urls),
]
