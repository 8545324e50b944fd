"""Leases: two holders never hold one at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dasf_broker.models import Lease
from dasf_broker.operations.upkeep.lease import release_lease, take_lease
from tests.operations.helpers import rolled_back

NOW = timezone.now()
HOLDERS = st.sampled_from(["ann", "bob", "cleo"])

#: Who does what, how many seconds after the step before; ``None`` gives the lease back.
STEPS = st.lists(
    st.tuples(HOLDERS, st.integers(0, 20), st.none() | st.integers(1, 30)), min_size=1, max_size=30
)


@pytest.mark.django_db
@given(STEPS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_two_never_hold_at_once(steps: list[tuple[str, int, int | None]]) -> None:
    """Whoever comes and goes: a lease is given exactly when nobody else has it."""
    holder, until, now = "", NOW, NOW
    with rolled_back():
        for name, later, seconds in steps:
            now += timedelta(seconds=later)
            is_free = holder == name or until <= now
            if seconds is None:
                release_lease("work", name, now=now)
                until = now if holder == name else until
            else:
                assert take_lease("work", name, seconds, now=now) == is_free
                if is_free:
                    holder, until = name, now + timedelta(seconds=seconds)
        assert Lease.objects.count() <= 1


@pytest.mark.django_db
def test_leases_of_different_names_are_apart() -> None:
    """Each work has its own."""
    assert take_lease("one", "ann", 10)
    assert take_lease("two", "bob", 10)
    assert not take_lease("two", "ann", 10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [False, True])
def test_one_of_many_at_the_same_moment(is_known: bool) -> None:
    """The very first time, and when the lease before is over."""
    if is_known:
        Lease.objects.create(name="work", holder="before", expires=NOW)
    together = Barrier(4)

    def take(number: int) -> bool:
        together.wait(timeout=10)
        try:
            return take_lease("work", str(number), 60)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(take, range(4)))
    assert sum(taken) == 1
    assert Lease.objects.get().holder == str(taken.index(True))
