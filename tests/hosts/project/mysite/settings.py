import os
from pathlib import Path

import dj_database_url

SECRET_KEY = "only for tests"
DEBUG = True
ROOT_URLCONF = "mysite.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "guardian",
    "dasf_broker",
    "orders",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parent / "db.sqlite3",
        "OPTIONS": {
            "timeout": 8,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }
}
if url := os.environ.get("HOST_DATABASE_URL"):
    DATABASES["default"] = dj_database_url.parse(url)
    if os.environ.get("HOST_POOL"):
        DATABASES["default"]["OPTIONS"] = {"pool": True}
if name := os.environ.get("HOST_TEST_DATABASE"):
    DATABASES["default"]["TEST"] = {"NAME": name}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["dasf_broker.E005", "dasf_broker.W003"]  # what a crash may take
