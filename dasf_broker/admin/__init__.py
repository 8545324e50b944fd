"""The broker in Django's admin: look at all rows, and run operations by hand.

Staff users that hold one of Django's rights for all topics (``change_brokertopic`` and the like)
may use it. There are no rules here: each change calls an operation.
"""

from dasf_broker.admin.messages import BrokerMessageAdmin
from dasf_broker.admin.response_topics import ResponseTopicAdmin
from dasf_broker.admin.tokens import ApiTokenAdmin
from dasf_broker.admin.topics import BrokerTopicAdmin

__all__ = ["ApiTokenAdmin", "BrokerMessageAdmin", "BrokerTopicAdmin", "ResponseTopicAdmin"]
