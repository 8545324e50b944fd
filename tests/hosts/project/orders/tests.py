"""Tests with Django's own classes: all of them in a transaction, and all of them without one."""

import asyncio

from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.test import TestCase, TransactionTestCase, override_settings
from mysite.asgi import application

from dasf_broker import (
    acknowledge,
    aping,
    apublish,
    create_topic,
    ping,
    publish,
    subscribe,
)
from dasf_broker.auth import create_token
from dasf_broker.models import BrokerMessage
from dasf_broker.permissions import Right, grant
from dasf_broker.testing import GraphQLClient, GraphQLSocket, OperationError, captured

PUBLISH = 'mutation { publishMessage(input: {topic: "orders", data: 7}) { status } }'
PUBLISHED = {"publishMessage": {"status": "STORED"}}
MESSAGES = 'subscription { messages(topic: "orders") { data user { username } } }'
#: There is no Redis at this address.
NO_REDIS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": "redis://127.0.0.1:1/0", "socket_timeout": None}]},
    }
}


class OrderTests:
    def setUp(self):
        self.user = get_user_model().objects.create_user("ada")
        self.topic = create_topic("orders", store_messages="store")
        grant(self.user, self.topic, Right.PRODUCE, Right.CONSUME)
        _, self.key = create_token(self.user)

    def _post(self, client, query, **headers):
        return client.post(
            "/graphql/", {"query": query}, content_type="application/json", headers=headers
        )

    # --- the host's own views ---

    @override_settings(CHANNEL_LAYERS=NO_REDIS)
    def test_view(self):
        self.client.force_login(self.user)
        with captured() as broker:
            assert self.client.post("/orders/").status_code == 201
        assert [(each.topic, each.data) for each in broker.published] == [
            ("orders", {"item": "book"})
        ]
        assert broker.published[0].user_id == str(self.user.pk)

    @override_settings(CHANNEL_LAYERS=NO_REDIS)
    def test_captured(self):
        with captured() as broker:
            done = publish("orders", text="hello")
            again = publish("orders", text="hello", message_id=done.message_id)
            ping("orders", user=self.user)
            ping("orders")
            acknowledge("orders", done.message_id, user=self.user)
        assert again.status == "DUPLICATE"
        assert [each.text for each in broker.published] == ["hello"]
        assert [(each.topic, each.user) for each in broker.pinged] == [
            ("orders", self.user),
            ("orders", None),
        ]
        [acknowledged] = broker.acknowledged
        assert (acknowledged.message_id, acknowledged.user) == (done.message_id, self.user)
        assert not acknowledged.removed

    @override_settings(CHANNEL_LAYERS=NO_REDIS)
    async def test_captured_in_asynchronous_code(self):
        with captured() as broker:
            await apublish("orders", data=1, user=self.user)
            await aping("orders")
        assert [each.data for each in broker.published] == [1]
        assert [each.user for each in broker.pinged] == [None]

    # --- the endpoint ---

    def test_endpoint_with_a_token(self):
        answer = self._post(self.client, PUBLISH, authorization=f"Bearer {self.key}")
        assert answer.json() == {"data": PUBLISHED}
        assert BrokerMessage.objects.get().user == self.user

    def test_endpoint_with_a_session(self):
        self.client.force_login(self.user)
        assert self._post(self.client, PUBLISH).json() == {"data": PUBLISHED}
        answer = self._post(self.client, '{ topic(slug: "orders") { outstandingCount } }')
        assert answer.json() == {"data": {"topic": {"outstandingCount": 1}}}

    def test_endpoint_without_a_user(self):
        [error] = self._post(self.client, PUBLISH).json()["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
        answer = self._post(self.client, PUBLISH, authorization="Bearer wrong")
        assert answer.status_code == 401

    async def test_endpoint_with_the_asynchronous_client(self):
        await self.async_client.aforce_login(self.user)
        assert (await self._post(self.async_client, PUBLISH)).json() == {"data": PUBLISHED}
        message = await BrokerMessage.objects.aget()
        assert message.user_id == self.user.pk

    # --- GraphQLClient ---

    def test_graphql_client(self):
        client = GraphQLClient(self.user)
        assert client.execute(PUBLISH) == PUBLISHED
        query = "query ($slug: String!) { messages(topic: $slug) { edges { node { data } } } }"
        answer = client.execute(query, {"slug": "orders"})
        assert answer == {"messages": {"edges": [{"node": {"data": 7}}]}}
        with self.assertRaises(OperationError) as refused:
            GraphQLClient().execute(PUBLISH)
        assert refused.exception.codes == ["NOT_FOUND"]
        assert BrokerMessage.objects.count() == 1

    async def test_graphql_client_in_asynchronous_code(self):
        assert await GraphQLClient(self.user).aexecute(PUBLISH) == PUBLISHED
        assert await BrokerMessage.objects.acount() == 1

    # --- subscriptions ---

    async def test_socket(self):
        async with GraphQLSocket(application, user=self.user) as socket:
            results = await socket.subscribe(MESSAGES)
            await apublish("orders", data=1)
            assert await results.next() == {"messages": {"data": 1, "user": None}}
            assert await socket.execute(PUBLISH) == PUBLISHED
            assert await results.next() == {"messages": {"data": 7, "user": {"username": "ada"}}}
            with self.assertRaises(OperationError):
                await socket.execute("{ nothing }")

    async def test_sockets_of_two_people(self):
        async with (
            GraphQLSocket(application) as stranger,
            GraphQLSocket(application, user=self.user) as socket,
        ):
            with self.assertRaises(OperationError) as refused:
                await (await stranger.subscribe(MESSAGES)).next()
            assert refused.exception.codes == ["NOT_FOUND"]
            results = await socket.subscribe(MESSAGES)
            await asyncio.gather(*(apublish("orders", data=number) for number in range(5)))
            assert [(await results.next())["messages"]["data"] for _ in range(5)] == [*range(5)]

    async def test_subscribe(self):
        await apublish("orders", data=1)
        async with subscribe("orders", user=self.user) as messages:
            message = await anext(messages)
            assert message.data == 1
            assert (await message.acknowledge()).status == "ACKNOWLEDGED"

    async def test_subscribe_and_break(self):
        await apublish("orders", data=1)
        with captured() as broker:
            async for message in subscribe("orders", user=self.user):
                await message.acknowledge()
                break
        assert [each.message_id for each in broker.acknowledged] == [message.message_id]

    async def test_channels_communicator(self):
        socket = WebsocketCommunicator(
            application, "/graphql/", subprotocols=["graphql-transport-ws"]
        )
        assert await socket.connect() == (True, "graphql-transport-ws")
        authorization = {"Authorization": f"Bearer {self.key}"}
        await socket.send_json_to({"type": "connection_init", "payload": authorization})
        assert await socket.receive_json_from(5) == {"type": "connection_ack"}
        await socket.send_json_to({"id": "1", "type": "subscribe", "payload": {"query": PUBLISH}})
        frame = await socket.receive_json_from(5)
        assert frame["payload"] == {"data": PUBLISHED}
        await socket.disconnect()


class InTransaction(OrderTests, TestCase):
    def test_commit_callbacks(self):
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            publish("orders", text="hello")
        assert len(callbacks) == 1


class Committed(OrderTests, TransactionTestCase):
    pass
