"""System checks of the database that holds the broker's tables. They do not connect to it.

``dasf_broker.E012`` a database that the broker does not support · ``E013`` tables that belong
together and are routed to several databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections, models, router

from dasf_broker import primary

#: What Django calls the databases that the broker supports; each release says from which version.
SUPPORTED = ("postgresql", "sqlite")


@register(Tags.compatibility)
def check_database(**_: Any) -> list[CheckMessage]:
    """Check that the database is a supported one, and holds all that belongs together."""
    if (alias := primary.alias()) not in [*connections]:
        return [
            Error(
                f"DATABASE_ROUTERS send the broker's tables to {alias!r}, which is none of "
                f"DATABASES ({', '.join(connections)}).",
                id="dasf_broker.E013",
            )
        ]
    return [*_support(alias), *_routes(alias)]


def _support(alias: str) -> Iterator[CheckMessage]:
    vendor = connections[alias].vendor
    if vendor not in SUPPORTED:
        yield Error(
            f"The broker's tables are in the database {alias!r}, and the broker does not support "
            f"{vendor}.",
            hint="Use PostgreSQL 14 or later, or SQLite 3.31 or later. The other tables of your "
            "project may stay where they are: see the guide `Several databases`.",
            id="dasf_broker.E012",
        )


def _routes(alias: str) -> Iterator[CheckMessage]:
    for model in sorted(_together(), key=lambda each: each._meta.label):
        if (other := router.db_for_write(model)) != alias:
            yield Error(
                f"DATABASE_ROUTERS send {model._meta.label} to {other!r}, and the broker's topics "
                f"to {alias!r}: they refer to each other, and are read together.",
                hint=f"Let `db_for_write` of your router return {alias!r} for {model._meta.label}, "
                "or the same database for all of them.",
                id="dasf_broker.E013",
            )


def _together() -> set[type[models.Model]]:
    """Return the broker's models, and those that its queries of rights join with them."""
    own = {*apps.get_app_config(primary.APP).get_models(include_auto_created=True)}
    found: set[type[models.Model]] = {ContentType, *own}
    found |= {each for model in own for each in _referred(model)}
    return found | {each for model in found for each in _links(model)}


def _referred(model: type[models.Model]) -> Iterator[type[models.Model]]:
    for field in model._meta.get_fields():
        if field.concrete and isinstance(field.related_model, type):
            yield field.related_model


def _links(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Yield the tables behind many-to-many fields: groups of users, rights of groups."""
    for field in model._meta.many_to_many:
        through: Any = field.remote_field
        yield through.through
