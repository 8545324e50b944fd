"""The storage rule, against the table of the design."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.storage import StoragePolicy, effective_policy, is_settled, is_stored

PEOPLE = st.frozensets(st.integers(0, 5))
POLICIES = st.sampled_from(StoragePolicy)


@pytest.mark.parametrize(
    ("policy", "stored"),
    [("disabled", False), ("cache", True), ("cacheall", True), ("store", True)],
)
def test_only_disabled_topics_store_nothing(policy: str, stored: bool) -> None:
    """The first column of the table."""
    assert is_stored(StoragePolicy(policy)) is stored


@pytest.mark.parametrize(
    ("policy", "delivered_to", "consumers", "settled"),
    [
        ("cache", "", "ab", False),
        ("cache", "a", "ab", True),
        ("cache", "", "", False),
        ("cacheall", "", "ab", False),
        ("cacheall", "a", "ab", False),
        ("cacheall", "ab", "ab", True),
        ("cacheall", "ab", "b", True),  # whoever is no consumer any more is not waited for
        ("cacheall", "", "", False),
        ("cacheall", "a", "", False),
        ("store", "ab", "ab", False),
        ("disabled", "", "ab", False),  # left from an earlier policy
        ("disabled", "a", "ab", True),
    ],
)
def test_when_a_message_goes(policy: str, delivered_to: str, consumers: str, settled: bool) -> None:
    """The second column of the table."""
    answer = is_settled(
        StoragePolicy(policy), delivered_to=set(delivered_to), consumers=set(consumers)
    )
    assert answer is settled


@given(policy=POLICIES, delivered_to=PEOPLE, consumers=PEOPLE)
def test_what_nobody_acknowledged_is_never_settled(
    policy: StoragePolicy, delivered_to: frozenset[int], consumers: frozenset[int]
) -> None:
    """No policy removes a message that nobody has dealt with."""
    if is_settled(policy, delivered_to=delivered_to, consumers=consumers):
        assert delivered_to
        assert policy is not StoragePolicy.STORE


@given(policy=POLICIES, delivered_to=PEOPLE, consumers=PEOPLE, one_more=st.integers(0, 5))
def test_an_acknowledgement_more_never_unsettles(
    policy: StoragePolicy, delivered_to: frozenset[int], consumers: frozenset[int], one_more: int
) -> None:
    """The order in which acknowledgements arrive makes no difference to what is left."""
    before = is_settled(policy, delivered_to=delivered_to, consumers=consumers)
    after = is_settled(policy, delivered_to=delivered_to | {one_more}, consumers=consumers)
    assert after >= before


@given(
    own=st.none() | st.just("") | POLICIES.map(lambda policy: policy.value),
    is_response_topic=st.booleans(),
    source_default=POLICIES,
    response_default=POLICIES,
)
def test_a_topics_own_policy_goes_before_the_servers(
    own: str | None,
    is_response_topic: bool,
    source_default: StoragePolicy,
    response_default: StoragePolicy,
) -> None:
    """A topic without a policy has the default of its kind."""
    policy = effective_policy(
        own,
        is_response_topic=is_response_topic,
        source_default=source_default,
        response_default=response_default,
    )
    default = response_default if is_response_topic else source_default
    assert policy is (StoragePolicy(own) if own else default)


def test_policies_are_texts() -> None:
    """The reference API promises an enum of texts."""
    assert {str(policy.value) for policy in StoragePolicy} == {
        "cache",
        "cacheall",
        "disabled",
        "store",
    }
    assert all(isinstance(policy, str) for policy in StoragePolicy)
