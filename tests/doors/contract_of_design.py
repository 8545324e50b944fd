"""The GraphQL contract: names and types that clients rely on. Fields may be added, never lost."""

from __future__ import annotations

_PAGE = {"first": "Int", "after": "String", "last": "Int", "before": "String"}
_TOPIC = {"topic": "String!"}
_SHARING = {
    "topic": "String!",
    "permission": "TopicPermission!",
    "username": "String",
    "group": "String",
}

Fields = dict[str, tuple[dict[str, str], str]]


def _plain(**kinds: str) -> Fields:
    """Return fields without arguments."""
    return {name: ({}, kind) for name, kind in kinds.items()}


_ANY_TOPIC: Fields = {
    **_plain(
        id="ID!",
        slug="String!",
        isPublic="Boolean!",
        supportsDasf="Boolean!",
        storeMessages="StoragePolicy",
        effectiveStoreMessages="StoragePolicy!",
        dateCreated="DateTime!",
        garbageCollectOn="DateTime",
        apiInfo="JSON",
        isResponseTopic="Boolean!",
        websocketUrl="String!",
        availability="Availability!",
        permissions="TopicPermissions!",
        outstandingCount="Int!",
        consumers="[User!]!",
        producers="[User!]!",
        statusViewers="[User!]!",
    ),
    "messages": ({"filter": "MessageFilter", **_PAGE}, "MessageConnection!"),
    "outstandingMessages": (_PAGE, "MessageConnection!"),
}

#: Arguments and type of each field.
FIELDS: dict[str, Fields] = {
    "Topic": _ANY_TOPIC,
    "BrokerTopic": {**_ANY_TOPIC, "responseTopics": (_PAGE, "ResponseTopicConnection!")},
    "ResponseTopic": {
        **_ANY_TOPIC,
        **_plain(isResponseFor="BrokerTopic"),
        "sourceMessages": (_PAGE, "MessageConnection!"),
    },
    "Availability": _plain(
        status="AvailabilityStatus!",
        isOnline="Boolean",
        lastPing="DateTime",
        lastPong="DateTime",
        roundTripTime="Float",
    ),
    "Message": _plain(
        id="ID!",
        messageId="UUID!",
        topic="Topic!",
        messageType="MessageType!",
        properties="JSON!",
        payload="String!",
        data="JSON",
        text="String",
        content="JSON!",
        context="Int",
        cursor="String",
        publishTime="DateTime!",
        user="User",
        isResponse="Boolean!",
        responseTopic="String",
        deliveredTo="[User!]!",
        deliveredToAll="Boolean!",
        acknowledged="Boolean!",
    ),
    "Query": {
        "topic": ({"slug": "String!"}, "Topic"),
        "topics": (
            {"filter": "TopicFilter", "order": "TopicOrder!", **_PAGE},
            "TopicConnection!",
        ),
        "message": ({**_TOPIC, "messageId": "UUID!"}, "Message"),
        "messages": (
            {**_TOPIC, "filter": "MessageFilter", "order": "MessageOrder!", **_PAGE},
            "MessageConnection!",
        ),
        "node": ({"id": "ID!"}, "Node"),
        **_plain(viewer="Viewer!", broker="Broker!"),
    },
    "Mutation": {
        "publishMessage": ({"input": "PublishMessageInput!"}, "PublishMessagePayload!"),
        "publishMessages": ({"inputs": "[PublishMessageInput!]!"}, "PublishMessagesPayload!"),
        "acknowledgeMessage": ({**_TOPIC, "messageId": "UUID!"}, "AcknowledgeMessagePayload!"),
        "acknowledgeMessages": (
            {**_TOPIC, "messageIds": "[UUID!]", "upTo": "String"},
            "AcknowledgeMessagesPayload!",
        ),
        "pingTopic": (_TOPIC, "PingTopicPayload!"),
        "pongTopic": (_TOPIC, "PongTopicPayload!"),
        "createTopic": ({"input": "CreateTopicInput!"}, "TopicPayload!"),
        "updateTopic": ({"input": "UpdateTopicInput!"}, "TopicPayload!"),
        "deleteTopic": (_TOPIC, "DeleteTopicPayload!"),
        "grantPermission": (_SHARING, "TopicPayload!"),
        "revokePermission": (_SHARING, "TopicPayload!"),
    },
    "PublishMessagePayload": _plain(
        message="Message!", status="PublishStatus!", topicCreated="Boolean!", responseTopic="String"
    ),
    "PublishResult": _plain(
        messageId="UUID", status="PublishStatus", error="ItemError", message="Message"
    ),
    "AcknowledgeMessagePayload": _plain(
        messageId="UUID!", status="AcknowledgeStatus!", removed="Boolean!"
    ),
    "AcknowledgeMessagesPayload": _plain(
        results="[AcknowledgeMessagePayload!]!", acknowledged="Int!"
    ),
    "PingTopicPayload": _plain(topic="Topic!", pingedAt="DateTime!"),
    "PongTopicPayload": _plain(topic="Topic!", pongedAt="DateTime!", roundTripTime="Float"),
    "Subscription": {
        "messages": (
            {
                **_TOPIC,
                "start": "StartPosition!",
                "after": "String",
                "messageTypes": "[MessageType!]",
            },
            "Message!",
        ),
        "pings": (_TOPIC, "Ping!"),
        "pongs": (_TOPIC, "Pong!"),
        "availability": (_TOPIC, "Availability!"),
    },
    "Ping": _plain(topic="Topic!", pingedAt="DateTime!", user="User"),
    "Pong": _plain(
        topic="Topic!",
        availability="Availability!",
        pingedAt="DateTime",
        pongedAt="DateTime!",
        roundTripTime="Float",
        user="User",
    ),
}

INPUTS: dict[str, dict[str, str]] = {
    "PublishMessageInput": {
        "topic": "String!",
        "messageId": "UUID",
        "data": "JSON",
        "text": "String",
        "payload": "String",
        "properties": "JSON",
        "messageType": "MessageType!",
        "responseTopic": "String",
        "context": "Int",
    },
    "CreateTopicInput": {"slug": "String!"},
    "UpdateTopicInput": {"topic": "String!"},
}

ENUMS: dict[str, set[str]] = {
    "AvailabilityStatus": {"ONLINE", "OFFLINE", "UNKNOWN"},
    "StoragePolicy": {"DISABLED", "CACHE", "CACHEALL", "STORE"},
    "MessageType": {
        "PING",
        "PONG",
        "REQUEST",
        "RESPONSE",
        "LOG",
        "INFO",
        "PROGRESS",
        "API_INFO",
    },
    "PublishStatus": {"STORED", "SENT", "DUPLICATE"},
    "AcknowledgeStatus": {"ACKNOWLEDGED", "ALREADY_ACKNOWLEDGED", "UNKNOWN"},
    "StartPosition": {"OUTSTANDING", "NEW", "EARLIEST"},
}

INTERFACES: dict[str, set[str]] = {
    "Topic": {"Node"},
    "BrokerTopic": {"Topic", "Node"},
    "ResponseTopic": {"Topic", "Node"},
    "Message": {"Node"},
}
