"""Take the rows of a user away in steps, before Django deletes the user in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dasf_broker import primary
from dasf_broker.db_connections import retried
from dasf_broker.models import Acknowledgement, BrokerMessage, RememberedMessage

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Rows changed in one transaction.
STEP = 500


def detach_user(user: AbstractBaseUser) -> int:
    """Do in small steps what deleting a user does with their messages and acknowledgements.

    Deleting a user with 100,000 messages changes all of them in one transaction, for which other
    writes may wait some seconds. Call this before, outside of a transaction: the messages then have
    no producer, and the acknowledgements are gone. Deactivate the user first, because messages
    without their acknowledgements are delivered to them again.

    Returns
    -------
    int
        How many rows were changed.
    """
    using = primary.alias()
    changed = 0
    for model in (BrokerMessage, RememberedMessage, Acknowledgement):
        rows = model.objects.using(using).filter(user=user.pk)
        while count := _change_some(rows, using):
            changed += count
    return changed


@retried
def _change_some(rows: Any, using: str) -> int:
    with primary.atomic():
        page = [*rows.order_by("pk").values_list("pk", flat=True)[:STEP]]
        some = rows.model.objects.using(using).filter(pk__in=page)
        if rows.model is Acknowledgement:
            some.delete()
        else:
            some.update(user=None)
    return len(page)
