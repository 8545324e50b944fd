"""Take and give back leases: one conditional write decides which process holds one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from dasf_broker.models import Lease


def take_lease(name: str, holder: str, seconds: float, *, now: datetime | None = None) -> bool:
    """Take a free lease, or extend one that the holder has.

    The holder must finish, or take it again, before the time is over. The clocks of the machines
    may differ only by a small part of that time.

    Parameters
    ----------
    name
        The name of the work that only one process may do at a time.
    holder
        The name of the holder; different for each process, and each piece of work in it.
    seconds
        How long no other holder may take it.
    now
        The current time; without it the clock is read.

    Returns
    -------
    bool
        Whether the holder has it.
    """
    now = now or timezone.now()
    taken = {"holder": holder, "expires": now + timedelta(seconds=seconds)}
    mine_or_over = Q(holder=holder) | Q(expires__lte=now)
    if Lease.objects.filter(mine_or_over, name=name).update(**taken):
        return True
    _, is_first = Lease.objects.get_or_create(name=name, defaults=taken)
    return is_first


def release_lease(name: str, holder: str, *, now: datetime | None = None) -> None:
    """Give a lease back; nothing happens if another holder has it by now."""
    # The row stays: if it were deleted and created each time, taking it could fail by chance.
    Lease.objects.filter(name=name, holder=holder).update(expires=now or timezone.now())
