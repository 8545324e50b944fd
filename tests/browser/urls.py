"""The test project's URLs, and static files as a web server has them: what was collected."""

from django.conf import settings
from django.urls import path
from django.views.static import serve

from testproject.urls import urlpatterns as project

urlpatterns = [
    path("files/<path:path>", serve, {"document_root": settings.STATIC_ROOT}),
    *project,
]
