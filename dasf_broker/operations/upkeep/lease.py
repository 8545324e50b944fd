"""Take and give back leases: one conditional write decides which process holds one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from dasf_broker.models import Lease


def take_lease(name: str, holder: str, seconds: float, *, now: datetime | None = None) -> bool:
    """Take a lease that is free, or hold one's own for longer.

    The holder must be done, or take it again, before the time is over. The clocks of the
    machines should agree to a small part of it.

    Parameters
    ----------
    name
        The work that only one process may do at a time.
    holder
        The name of whom the lease is for; different for each process, and each piece of work in it.
    seconds
        How long no other process may.
    now
        The time that decides; without it the clock.

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
    """Give a lease back; nothing happens if somebody else holds it by now."""
    # The row stays: with a row that comes and goes, taking it could fail for no reason.
    Lease.objects.filter(name=name, holder=holder).update(expires=now or timezone.now())
