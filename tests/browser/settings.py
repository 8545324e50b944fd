"""Settings of a server whose static files, or whose paths, are not where they usually are."""

from __future__ import annotations

from testproject import environment
from testproject.settings import *  # noqa: F403
from testproject.settings import VAR

ROOT_URLCONF = "tests.browser.urls"
STATIC_ROOT = VAR / "static"
STATIC_URL = environment.text("STATIC_URL", "static/")
FORCE_SCRIPT_NAME = environment.text("SCRIPT_NAME") or None
STORAGES = {
    "staticfiles": {
        "BACKEND": environment.text(
            "STATIC_STORAGE", "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    }
}
# What is tried here is where things are, not who may see them.
DASF_GRAPHIQL = "everybody"
DASF_INTROSPECTION = "everybody"
