"""The settings of a site of dasf-broker-django, with our database settings."""

from __future__ import annotations

import os

DEBUG = False
SECRET_KEY = "a yardstick has no secrets"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "site_asgi"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "guardian",
    "rest_framework",
    "rest_framework.authtoken",
    "dasf_broker",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["REFERENCE_DATABASE"],
        "OPTIONS": {
            "timeout": 8,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DASF_WEBSOCKET_URL_ROUTE = "ws/"
