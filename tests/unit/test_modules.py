"""What backend modules need in a message: as the unmodified client itself decides."""

from __future__ import annotations

import warnings
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.envelope import Envelope, MessageType
from dasf_broker.domain.modules import NEEDED, missing_property, warning_about

with warnings.catch_warnings():
    # demessaging 0.6.4 imports modules that it has deprecated itself.
    warnings.simplefilter("ignore", DeprecationWarning)
    from demessaging.messaging.consumer import MessageConsumer

VALUES = st.one_of(
    st.sampled_from(["", "topic_answers", "status-ping", 0, 1, False, None, [], {}, *MessageType]),
    st.integers(),
)


@given(st.dictionaries(st.sampled_from([*NEEDED, "own"]), VALUES))
def test_the_client_takes_what_lacks_nothing(properties: dict[str, Any]) -> None:
    """It takes exactly the messages about which a producer is not warned."""
    content = {"messageId": "1", "properties": properties, "payload": "", "context": 1}
    is_taken = _is_taken(content)
    assert is_taken is (missing_property(properties) is None)
    assert is_taken is (warning_about("topic", properties) is None)


@given(
    st.sampled_from(MessageType), st.sampled_from([None, "topic_answers"]), st.none() | st.just(7)
)
def test_messages_of_graphql(kind: MessageType, answers: str | None, context: int | None) -> None:
    """A topic for the answer is all that a producer must name."""
    made = Envelope.compose(
        max_size=10_000, message_type=kind, response_topic=answers, context=context
    )
    assert _is_taken(made.content) is (answers is not None)
    assert (missing_property(made.properties) is None) is (answers is not None)


def _is_taken(content: dict[str, Any]) -> bool:
    return bool(MessageConsumer.is_valid_request(content))  # type: ignore[no-untyped-call]
