"""A host's own schema, with the broker's mixed in as the documentation says."""

import strawberry

from dasf_broker import schema as broker

QUERY = "{ hostName viewer { username } }"


@strawberry.type
class HostQuery:
    """What the host itself can be asked."""

    @strawberry.field
    def host_name(self) -> str:
        """Return the host's name."""
        return "host"


@strawberry.type
class Query(broker.Query, HostQuery):
    """The broker's queries and the host's."""


@strawberry.type
class Mutation(broker.Mutation):
    """The broker's mutations."""


@strawberry.type
class Subscription(broker.Subscription):
    """The broker's subscriptions."""


schema = broker.Schema(Query, Mutation, Subscription)
