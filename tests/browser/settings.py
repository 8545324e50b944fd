"""Settings of a server whose static files, or whose paths, are not where they usually are."""

from __future__ import annotations

import os

from testproject.settings import *  # noqa: F403
from testproject.settings import VAR

ROOT_URLCONF = "tests.browser.urls"
STATIC_ROOT = VAR / "static"
STATIC_URL = os.environ.get("STATIC_URL", "static/")
FORCE_SCRIPT_NAME = os.environ.get("SCRIPT_NAME")
if FORCE_SCRIPT_NAME == "":
    FORCE_SCRIPT_NAME = None
STORAGES = {
    "staticfiles": {
        "BACKEND": os.environ.get(
            "STATIC_STORAGE", "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    }
}
# What is tried here is where things are, not who may see them.
DASF_GRAPHIQL = "everybody"
DASF_INTROSPECTION = "everybody"
