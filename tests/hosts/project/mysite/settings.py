from pathlib import Path

from testproject import environment

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
POOL = {"pool": {"max_size": 8}} if environment.yes_or_no("HOST_POOL", default=False) else {}
if database := environment.database("HOST_DATABASE_URL", postgresql=POOL):
    DATABASES["default"] = database
if name := environment.text("HOST_TEST_DATABASE"):
    DATABASES["default"]["TEST"] = {"NAME": name}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["dasf_broker.E005", "dasf_broker.W003"]  # what a crash may take
