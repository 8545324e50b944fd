"""The ASGI application of the test project: Django for HTTP, the broker for websockets."""

import os

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")
django_application = get_asgi_application()

from dasf_broker.routing import broker_application  # noqa: E402 - Django must be ready first

# In production a web server has the static files.
http_application = (
    ASGIStaticFilesHandler(django_application) if settings.DEBUG else django_application
)
application = broker_application(http_application)
