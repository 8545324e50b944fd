"""Frames that nobody would send: wild ones, and good ones with something wrong in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

#: Good parts of frames, as seeds: what is nearly right gets further than what is all wrong.
DOCUMENTS = [
    "{ viewer { username } }",
    '{ topic(slug: "topic") { slug } }',
    '{ message(topic: "topic", messageId: "x") { text } }',
    'mutation { publishMessage(input: {topic: "topic", text: "x"}) { status } }',
    'mutation { acknowledgeMessages(topic: "topic", upTo: "x") { acknowledged } }',
    'mutation { pingTopic(topic: "topic") { pingedAt } }',
    'subscription { messages(topic: "topic") { text } }',
    'subscription { messages(topic: "topic", after: "x") { text } }',
    "subscription ($t: String!) { pongs(topic: $t) { pongedAt } }",
    'subscription { availability(topic: "topic") { status } }',
    "query A { viewer { username } } query B { viewer { username } }",
    "fragment F on Topic { slug ...F } { viewer { username } }",
    "{ __schema { types { name } } }",
]

_texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["topic", "", "\0", "\ud800", "ping", "YQ==", "status-ping", "x" * 300]),
)

#: Any JSON, also such as only Python's parser takes.
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)

_documents = st.one_of(
    st.sampled_from(DOCUMENTS),
    st.tuples(st.sampled_from(DOCUMENTS), st.integers(0, 60), _texts).map(
        lambda cut: cut[0][: cut[1]] + cut[2]
    ),
    _texts,
)

_payloads = st.fixed_dictionaries(
    {"query": _documents | values},
    optional={
        "variables": st.dictionaries(st.sampled_from(["t", "x"]), values, max_size=2) | values,
        "operationName": st.sampled_from(["A", "B", ""]) | values,
        "extensions": values,
    },
)

_graphql_types = st.sampled_from(
    ["subscribe", "subscribe", "subscribe", "complete", "ping", "pong", "connection_init", "next"]
)

_graphql = st.fixed_dictionaries(
    {"type": _graphql_types | values},
    optional={"id": st.sampled_from("abc") | values, "payload": _payloads | values},
)

_ids = st.sampled_from(["5d2b51f7-4a0e-4d5c-9d4b-1f2a6f0f1f11", "no uuid"]) | st.uuids().map(str)

_properties = st.fixed_dictionaries(
    {},
    optional={
        "messageType": st.sampled_from(["request", "pong", "ping", "log", "api_info"]) | values,
        "response_topic": st.sampled_from(["topic", "answers", "status-ping"]) | values,
        "source_topic": st.sampled_from(["topic", "none"]) | values,
        "api_info": st.sampled_from(["{}", "{"]) | values,
        "fragment": st.integers(-1, 3) | values,
        "num_fragments": st.integers(-1, 3) | values,
        "requestContext": values,
    },
)

_dasf = st.fixed_dictionaries(
    {},
    optional={
        "messageId": _ids | values,
        "properties": _properties | values,
        "payload": st.sampled_from(["", "YQ==", "YQ"]) | values,
        "context": st.integers(0, 5) | values,
    },
)


def _written(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[str | bytes]:
    """Return frames with such values, some of them cut off or not text at all."""
    texts = (strategy | values).map(json.dumps)
    cut = st.tuples(texts, st.integers(0, 40)).map(lambda pair: pair[0][: pair[1]])
    # Twice, so that most frames are read further than to their first character.
    return st.one_of(texts, texts, cut, _texts, st.binary(max_size=10))


graphql_frames = _written(_graphql)
dasf_frames = _written(_dasf)
