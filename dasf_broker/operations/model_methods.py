"""The operations behind the methods of models: see :mod:`dasf_broker.domain.ports`."""

from __future__ import annotations

from dasf_broker.operations.heartbeat import ping_topic
from dasf_broker.operations.publish import deliver_again, publish_content
from dasf_broker.operations.storage.deletion import delete_topics


class ModelMethods:
    """Calls operations for models."""

    publish_content = staticmethod(publish_content)
    delete_topics = staticmethod(delete_topics)
    deliver_again = staticmethod(deliver_again)
    ping_topic = staticmethod(ping_topic)
