"""Take and give back leases: one conditional write decides which process holds one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from dasf_broker import clock
from dasf_broker.db_connections import retried
from dasf_broker.domain.times import present
from dasf_broker.models import Lease


@retried
def take_lease(name: str, holder: str, seconds: float, *, now: datetime | None = None) -> bool:
    """Take a free lease, or extend one that the holder has.

    The holder must finish, or take it again, before the time is over. The clocks of the machines
    may differ by ``CLOCKS_DIFFER``. A lease that ends later than it can was taken by a clock that
    was ahead, and is void.

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
    now, length = now or clock.now(), timedelta(seconds=seconds)
    taken = {"holder": holder, "expires": now + length, "length": length}
    mine_or_over = Q(holder=holder) | Q(expires__lte=now)
    if Lease.objects.filter(mine_or_over, name=name).update(**taken):
        return True
    lease, is_first = Lease.objects.get_or_create(name=name, defaults=taken)
    return is_first or (_is_void(lease, now, length) and _take_from(lease, taken))


def _is_void(lease: Lease, now: datetime, length: timedelta) -> bool:
    # A server of an older release, which may run beside this one, does not store the length.
    longest = length if lease.length is None else lease.length
    return lease.expires > present(now) + longest


def _take_from(lease: Lease, taken: Mapping[str, Any]) -> bool:
    # Unless another process was quicker.
    unchanged = Lease.objects.filter(pk=lease.pk, holder=lease.holder, expires=lease.expires)
    return bool(unchanged.update(**taken))


@retried
def release_lease(name: str, holder: str, *, now: datetime | None = None) -> None:
    """Give a lease back; nothing happens if another holder has it by now."""
    # The row stays: if it were deleted and created each time, taking it could fail by chance.
    Lease.objects.filter(name=name, holder=holder).update(expires=now or clock.now())
