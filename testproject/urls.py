"""URLs of the test project: the admin, and the broker at the root."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("dasf_broker.urls")),
]
