"""The Python door: the functions that a host project calls. Import them from ``dasf_broker``.

``user`` is the user whose rights count: a user of Django's, or ``AnonymousUser``. Without one the
server itself acts: it has all rights, and its messages have no producer. A refusal is raised as a
:class:`~dasf_broker.exceptions.BrokerError`.

Rate limits are for callers from outside; calls of the host itself are not counted.

The functions with an ``a`` before their name are for asynchronous code. They write in transactions
of their own, which concurrent callers share; the others join the transaction of their caller.
"""

from dasf_broker.api.publishing import (
    MessageParts,
    NewMessage,
    apublish,
    apublish_many,
    publish,
    publish_many,
)
from dasf_broker.api.stream import Stream
from dasf_broker.api.subscribing import ReceivedMessage, aacknowledge, acknowledge, subscribe
from dasf_broker.api.topics import acreate_topic, aping, create_topic, ping
from dasf_broker.domain.envelope import MessageType
from dasf_broker.domain.publishing import Published, PublishStatus
from dasf_broker.domain.storage import StoragePolicy
from dasf_broker.exceptions import BrokerError
from dasf_broker.operations.acknowledge import Acknowledged, AcknowledgeStatus
from dasf_broker.operations.heartbeat import Pinged
from dasf_broker.operations.storage.users import detach_user
from dasf_broker.operations.subscriptions.messages import StartPosition

__all__ = [
    "AcknowledgeStatus",
    "Acknowledged",
    "BrokerError",
    "MessageParts",
    "MessageType",
    "NewMessage",
    "Pinged",
    "PublishStatus",
    "Published",
    "ReceivedMessage",
    "StartPosition",
    "StoragePolicy",
    "Stream",
    "aacknowledge",
    "acknowledge",
    "acreate_topic",
    "aping",
    "apublish",
    "apublish_many",
    "create_topic",
    "detach_user",
    "ping",
    "publish",
    "publish_many",
    "subscribe",
]
