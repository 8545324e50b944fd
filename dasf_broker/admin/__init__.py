"""The broker in Django's admin: look at everything, and do by hand what operations can do.

Whoever holds a right of Django's for all topics (``change_brokertopic`` and the like) and is staff
may use it. No rule stands here: what changes something calls an operation.
"""

from dasf_broker.admin.messages import BrokerMessageAdmin
from dasf_broker.admin.response_topics import ResponseTopicAdmin
from dasf_broker.admin.tokens import ApiTokenAdmin
from dasf_broker.admin.topics import BrokerTopicAdmin

__all__ = ["ApiTokenAdmin", "BrokerMessageAdmin", "BrokerTopicAdmin", "ResponseTopicAdmin"]
