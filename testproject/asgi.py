"""The ASGI application of the test project: Django for HTTP, the broker for websockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")
django_application = get_asgi_application()

from dasf_broker.routing import broker_application  # noqa: E402 - Django must be ready first

application = broker_application(django_application)
