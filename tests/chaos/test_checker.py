"""The checker accepts whatever a good broker does, and notices every broken promise."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.harness.checker import check
from tests.chaos.harness.history import (
    Record,
)
from tests.chaos.harness.invariants import INVARIANTS
from tests.chaos.harness.run import Run
from tests.chaos.mutations import Mutation, acknowledging, apply, publishing, reading
from tests.chaos.simulated import Choices
from tests.chaos.simulation import STEPS, Simulation, Step, a_long_run

SCRIPTS = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 10**6)), max_size=60)

#: Each way to break a promise, and the invariant that must notice.
BROKEN: dict[Mutation, str] = {
    publishing.lose_a_row: "answered is kept",
    publishing.lose_what_nobody_acknowledged: "answered is kept",
    publishing.lose_what_was_only_delivered: "answered is kept",
    publishing.deliver_to_nobody: "answered is delivered",
    publishing.deliver_to_one_user_only: "answered is delivered",
    publishing.deliver_what_nobody_sent: "nothing from nowhere",
    publishing.deliver_before_it_is_sent: "nothing from nowhere",
    publishing.deliver_another_text: "nothing from nowhere",
    publishing.deliver_of_another_topic: "nothing from nowhere",
    publishing.store_what_nobody_sent: "nothing from nowhere",
    publishing.deliver_what_was_refused: "refused is refused",
    publishing.store_what_was_refused: "refused is refused",
    publishing.store_twice: "published once",
    publishing.store_twice_in_words: "published once",
    publishing.take_a_retry_for_another_message: "published once",
    acknowledging.deliver_again: "acknowledged stays away",
    acknowledging.deliver_to_another_what_one_took: "acknowledged stays away",
    acknowledging.deliver_what_was_removed: "acknowledged stays away",
    acknowledging.forget_an_acknowledgement: "acknowledgements are kept",
    acknowledging.make_up_an_acknowledgement: "acknowledgements are kept",
    acknowledging.keep_what_one_took: "acknowledgements are kept",
    acknowledging.keep_what_all_acknowledged: "acknowledgements are kept",
    acknowledging.remove_before_all_acknowledged: "acknowledgements are kept",
    acknowledging.count_twice: "acknowledgements are kept",
    acknowledging.not_find_what_is_kept: "acknowledgements find their message",
    acknowledging.not_find_what_nobody_took: "acknowledgements find their message",
    acknowledging.not_find_what_another_waits_for: "acknowledgements find their message",
    reading.swap_two_deliveries: "subscriptions are in order",
    reading.deliver_twice: "delivered once",
    reading.deliver_twice_what_nobody_stores: "delivered once",
    reading.tell_two_sequences: "one message one sequence",
    reading.give_a_sequence_twice: "one message one sequence",
    reading.go_beyond_the_last_sequence: "one message one sequence",
    reading.swap_two_sequences: "sequences follow time",
    reading.leave_a_hole: "readers miss nothing",
    reading.leave_a_hole_at_a_break: "readers miss nothing",
    reading.leave_out_the_end: "readers miss nothing",
    reading.repeat_after_a_break: "readers miss nothing",
    reading.refuse_to_resume: "readers miss nothing",
    reading.lose_in_silence: "loss is told",
    reading.lose_for_no_reason: "loss needs a fault",
    reading.make_up_a_loss: "told loss is real",
    reading.miss_what_is_stored: "stored is never missed",
    reading.deliver_only_by_polling: "deliveries come at once",
    reading.deliver_only_by_polling_on_one_topic: "deliveries come at once",
    reading.leave_with_nothing: "deliveries come at once",
    reading.answer_late: "answers come in time",
    reading.acknowledge_late: "answers come in time",
    reading.be_unavailable_late: "answers come in time",
    reading.never_answer: "answers come in time",
}


@given(SCRIPTS)
@settings(max_examples=200, deadline=None)
def test_a_good_broker_is_accepted(script: list[tuple[Step, int]]) -> None:
    """Accept whatever happens with a broker that keeps its promises."""
    simulation = Simulation()
    for step, number in script:
        step(simulation, Choices(number))
    verdict = check(simulation.finish())
    assert verdict.ok, verdict.report()


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_long_run_leaves_no_promise_untried(seed: int) -> None:
    """Accept long histories, and look at something for every invariant."""
    verdict = check(a_long_run(seed))
    assert verdict.ok, verdict.report()
    assert verdict.vacuous == []


@pytest.mark.parametrize("mutation", BROKEN, ids=lambda mutation: mutation.__name__)
def test_a_broken_promise_is_noticed(mutation: Mutation) -> None:
    """Break one thing in a good history: the invariant that is about it says so."""
    verdict = check(apply(good(), mutation(good_run())))
    assert BROKEN[mutation] in verdict.broken, verdict.report()


def test_every_invariant_was_seen_to_notice() -> None:
    """See that there is a broken promise for every invariant, so that none is blind."""
    assert set(BROKEN.values()) == {each.__name__.replace("_", " ") for each in INVARIANTS}


@cache
def good() -> list[Record]:
    """Return a good history, always the same one."""
    return a_long_run()


@cache
def good_run() -> Run:
    """Return the good history, put together."""
    return Run(good())
