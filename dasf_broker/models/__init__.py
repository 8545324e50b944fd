"""The tables: topics, messages, rights, tokens and leases. Saving a row sends nothing.

Besides columns, models have the methods that the reference API promises. Each calls the module
with the rule; methods that publish, deliver or ping go through ``domain/ports.py``.
"""

from dasf_broker.models.leases import Lease
from dasf_broker.models.messages import Acknowledgement, BrokerMessage, BrokerMessageQuerySet
from dasf_broker.models.removed_messages import RememberedMessage
from dasf_broker.models.response_topics import ResponseTopic
from dasf_broker.models.rights import BrokerTopicGroupPermission, BrokerTopicUserPermission
from dasf_broker.models.tokens import ApiToken
from dasf_broker.models.topics import (
    BrokerTopic,
    BrokerTopicManager,
    BrokerTopicQuerySet,
)
from dasf_broker.models.websocket_urls import websocket_url

__all__ = [
    "Acknowledgement",
    "ApiToken",
    "BrokerMessage",
    "BrokerMessageQuerySet",
    "BrokerTopic",
    "BrokerTopicGroupPermission",
    "BrokerTopicManager",
    "BrokerTopicQuerySet",
    "BrokerTopicUserPermission",
    "Lease",
    "RememberedMessage",
    "ResponseTopic",
    "websocket_url",
]
