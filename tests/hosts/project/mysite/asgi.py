import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_application = get_asgi_application()

from dasf_broker.routing import broker_application  # noqa: E402

application = broker_application(django_application)
