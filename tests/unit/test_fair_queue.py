"""Callers take turns in a queue, whatever each of them puts into it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dasf_broker.concurrency.fair_queue import FairQueue
from dasf_broker.concurrency.shares import Share

PER_SHARE, MOST = 2, 3
SHARES = st.sampled_from([None, "a", "b", "c"])


@given(st.integers(1, 50), st.integers(1, 50))
def test_one_caller_with_much_delays_another_by_one_entry(first: int, second: int) -> None:
    """Entries of two shares alternate as long as both have some."""
    queue: FairQueue[tuple[str, int]] = FairQueue(per_share=1)
    for share, count in (("a", first), ("b", second)):
        for number in range(count):
            queue.put((share, number), share)
    taken = []
    while (found := queue.take(most=1)) is not None:
        taken.append(found[0])
        queue.finish(found[1])
    both = 2 * min(first, second)
    assert [share for share, _ in taken[:both]] == ["a", "b"] * (both // 2)
    assert len(taken) == first + second


class Model(RuleBasedStateMachine):
    """A queue beside a plain list of what waits, and a count of what is in progress."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue(PER_SHARE)
        self.waiting: list[tuple[int, Share]] = []
        self.busy: Counter[Share] = Counter()
        self.number = 0

    @rule(share=SHARES)
    def put(self, share: str | None) -> None:
        """Add an entry."""
        self.number += 1
        self.queue.put(self.number, share)
        self.waiting.append((self.number, share))

    @rule()
    def take(self) -> None:
        """Take the entry that comes next, if there is one."""
        found = self.queue.take(MOST)
        if found is None:
            assert not any(self._may_go(share) for _, share in self.waiting)
            return
        entry, share = found
        assert found in self.waiting
        assert self._may_go(share)
        if share is not None:
            assert all(other is not None for _, other in self.waiting)  # those come first
            self.busy[share] += 1
        of_same = [each for each, other in self.waiting if other == share]
        assert entry == of_same[0]  # in order
        self.waiting.remove(found)

    @precondition(lambda self: self.busy.total())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """End one in progress."""
        share = data.draw(st.sampled_from([each for each in self.busy if self.busy[each]]))
        self.busy[share] -= 1
        self.queue.finish(share)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Withdraw one that waits."""
        entry = data.draw(st.sampled_from(self.waiting))
        assert self.queue.remove(entry[0])
        assert not self.queue.remove(entry[0])
        self.waiting.remove(entry)

    @invariant()
    def counts_agree(self) -> None:
        """As many wait, and are in progress, as in the model."""
        assert len(self.queue) == len(self.waiting)
        assert self.queue.in_progress == self.busy.total()

    def _may_go(self, share: Share) -> bool:
        if share is None:
            return True
        return self.busy[share] < PER_SHARE and self.busy.total() < MOST


TestModel = Model.TestCase
