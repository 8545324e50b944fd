"""Ping topics, and create them."""

from __future__ import annotations

from dasf_broker.api.calling import AnyUser, caller_of, synchronous
from dasf_broker.api.writing import asynchronous
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import ConflictError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import heartbeat, topics
from dasf_broker.operations.access import access
from dasf_broker.operations.heartbeat import Pinged
from dasf_broker.operations.topics import TopicOptions


@synchronous(instead="aping")
def ping(topic: str, *, user: AnyUser | None = None) -> Pinged:
    """Ask the consumers of a topic to answer. They get the ping when the transaction is committed.

    Raises
    ------
    BadInputError
        The topic is not a slug.
    NotFoundError, ForbiddenError
        The topic does not exist or the user may not see it; the user may not ping it.
    """
    return heartbeat.ping(caller_of(user), topic)


aping = asynchronous(ping)


@synchronous(instead="acreate_topic")
def create_topic(
    slug: str,
    *,
    user: AnyUser | None = None,
    is_public: bool | None = None,
    supports_dasf: bool | None = None,
    store_messages: StoragePolicy | str | None = None,
    retention_age: int | None = None,
    retention_count: int | None = None,
    exist_ok: bool = False,
) -> BrokerTopic:
    """Create a topic. Options that you do not give have the defaults of the model.

    Parameters
    ----------
    slug
        The name of the topic.
    user
        The creator, who may then publish to the topic, see its status, change and delete it.
        Without one the server itself creates it, and no user gets a right.
    is_public
        All callers may see the topic, publish to it and ping it.
    supports_dasf
        The consumers of the topic answer pings.
    store_messages
        How long messages are kept: ``disabled``, ``cache``, ``cacheall`` or ``store``.
    retention_age, retention_count
        Seconds after which messages are removed; the number of messages that are kept at most.
    exist_ok
        Return the existing topic, unchanged, instead of raising ``ConflictError``.

    Raises
    ------
    BadInputError
        This is not a slug, or an option is not valid.
    ForbiddenError
        The user may not add topics.
    ConflictError
        The slug is taken.
    NotFoundError
        With ``exist_ok``: the slug is taken by a topic that the user may not see.
    """
    caller = caller_of(user)
    options = TopicOptions(
        is_public=is_public,
        supports_dasf=supports_dasf,
        store_messages=store_messages,
        retention_age=retention_age,
        retention_count=retention_count,
    )
    try:
        return topics.create_topic(caller, slug, options).topic
    except ConflictError:
        if not exist_ok:
            raise
        return access(caller, slug).topic


acreate_topic = asynchronous(create_topic)
