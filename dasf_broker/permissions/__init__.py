"""Who may do what with which topic.

Three questions are answered: may this user (:func:`rights_on`, :func:`rights_table`), which topics
(:func:`topics_visible_to`), which users (:func:`users_with`). A right is held on a topic or for
all topics, by a user or by a group. Produce on a response topic is also held, without a row of
its own, by who may consume the topic whose requests are answered there.

The codenames live on ``BrokerTopic``, for response topics too.
"""

from __future__ import annotations

from dasf_broker.permissions.grants import (
    grant,
    revoke,
)
from dasf_broker.permissions.holders import (
    consumers_by_topic,
    holder_names,
    producers_by_topic,
    users_with,
)
from dasf_broker.permissions.lookup import (
    holds_globally,
    known_user,
    rights_of,
    rights_on,
    rights_table,
    search_in_vain,
)
from dasf_broker.permissions.rights import (
    CREATOR_RIGHTS,
    SEEING,
    Right,
    RightsTable,
    TopicRights,
)
from dasf_broker.permissions.visible_topics import (
    few_visible_to,
    topics_visible_to,
)

__all__ = [
    "CREATOR_RIGHTS",
    "SEEING",
    "Right",
    "RightsTable",
    "TopicRights",
    "consumers_by_topic",
    "few_visible_to",
    "grant",
    "holder_names",
    "holds_globally",
    "known_user",
    "producers_by_topic",
    "revoke",
    "rights_of",
    "rights_on",
    "rights_table",
    "search_in_vain",
    "topics_visible_to",
    "users_with",
]
