"""The rights of users on topics.

This package answers three questions: what may this user do (:func:`rights_on`,
:func:`rights_table`), which topics may the user see (:func:`topics_visible_to`), which users hold a
right (:func:`users_with`). The flags of a user are read with the rights. A user or a group holds a
right on one topic or for all topics. Users who may consume a topic may also produce to its response
topics, without a row of their own.

The codenames live on ``BrokerTopic``, for response topics too.
"""

from __future__ import annotations

from dasf_broker.permissions.anonymous import (
    NOBODY,
    anonymous_user,
    nobody,
    user_or_anonymous,
)
from dasf_broker.permissions.grants import (
    grant,
    grant_each,
    revoke,
)
from dasf_broker.permissions.holders import (
    consumers_by_topic,
    holder_names,
    producers_by_topic,
    users_with,
)
from dasf_broker.permissions.lookup import (
    GlobalRights,
    equalize_timing,
    global_rights_of,
    holds_globally,
    present_user,
    rights_of,
    rights_on,
    rights_table,
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
    "NOBODY",
    "SEEING",
    "GlobalRights",
    "Right",
    "RightsTable",
    "TopicRights",
    "anonymous_user",
    "consumers_by_topic",
    "equalize_timing",
    "few_visible_to",
    "global_rights_of",
    "grant",
    "grant_each",
    "holder_names",
    "holds_globally",
    "nobody",
    "present_user",
    "producers_by_topic",
    "revoke",
    "rights_of",
    "rights_on",
    "rights_table",
    "topics_visible_to",
    "user_or_anonymous",
    "users_with",
]
