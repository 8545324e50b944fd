"""Settings of the test project with all tables under an alias of their own: ``--alias=other``.

There is no database ``default``, so that whatever asks for it without a word fails.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Model
from django.test import TransactionTestCase

from testproject.settings import *  # noqa: F403

ALIAS = "other"
DATABASES = {"default": {}, ALIAS: DATABASES["default"]}  # noqa: F405
# Django makes the test database of `default` first, unless it is told that none is needed.
DATABASES[ALIAS]["TEST"] = {**DATABASES[ALIAS].get("TEST", {}), "DEPENDENCIES": []}
DATABASE_ROUTERS = ["tests.other_alias.Router"]


class Router:
    """Sends all tables to the other alias."""

    def db_for_read(self, model: type[Model], **_: Any) -> str:  # noqa: ARG002
        """Return it."""
        return ALIAS

    db_for_write = db_for_read


# Tests that say nothing of databases mean this one.
TransactionTestCase.databases = {ALIAS}
vars(connection)["_alias"] = ALIAS
