"""Tests with pytest-django and pytest-asyncio: in a transaction, and without one."""

import pytest
from mysite.asgi import application

from dasf_broker import acknowledge, aping, apublish, publish, subscribe
from dasf_broker.models import BrokerMessage
from dasf_broker.testing import GraphQLClient, GraphQLSocket, OperationError

PUBLISH = 'mutation { publishMessage(input: {topic: "orders", data: 7}) { status } }'
PUBLISHED = {"publishMessage": {"status": "STORED"}}
MESSAGES = 'subscription { messages(topic: "orders") { data } }'


def _post(client, **headers):
    return client.post(
        "/graphql/", {"query": PUBLISH}, content_type="application/json", headers=headers
    )


class OrderTests:
    def test_view(self, client, captured, user):
        client.force_login(user)
        assert client.post("/orders/").status_code == 201
        assert [each.data for each in captured.published] == [{"item": "book"}]

    def test_captured(self, captured, user):
        done = publish("orders", text="hello")
        acknowledge("orders", done.message_id, user=user)
        assert [each.text for each in captured.published] == ["hello"]
        assert [each.user for each in captured.acknowledged] == [user]

    async def test_captured_in_asynchronous_code(self, captured, user):
        await apublish("orders", data=1)
        await aping("orders", user=user)
        assert [each.data for each in captured.published] == [1]
        assert [each.user for each in captured.pinged] == [user]

    def test_endpoint_with_a_token(self, client, key):
        assert _post(client, authorization=f"Bearer {key}").json() == {"data": PUBLISHED}
        assert BrokerMessage.objects.count() == 1

    def test_endpoint_with_a_session(self, client, user):
        client.force_login(user)
        assert _post(client).json() == {"data": PUBLISHED}

    async def test_endpoint_with_the_asynchronous_client(self, async_client, key):
        answer = await _post(async_client, authorization=f"Bearer {key}")
        assert answer.json() == {"data": PUBLISHED}

    def test_graphql_client(self, user):
        assert GraphQLClient(user).execute(PUBLISH) == PUBLISHED
        assert BrokerMessage.objects.count() == 1

    async def test_graphql_client_in_asynchronous_code(self, user):
        assert await GraphQLClient(user).aexecute(PUBLISH) == PUBLISHED

    async def test_socket(self, user):
        async with GraphQLSocket(application, user=user) as socket:
            results = await socket.subscribe(MESSAGES)
            await apublish("orders", data=1)
            assert await results.next() == {"messages": {"data": 1}}
            assert await socket.execute(PUBLISH) == PUBLISHED
            assert await results.next() == {"messages": {"data": 7}}
            with pytest.raises(OperationError):
                await socket.execute("{ nothing }")

    async def test_subscribe(self, user):
        await apublish("orders", data=1)
        async for message in subscribe("orders", user=user):
            await message.acknowledge()
            break
        assert message.data == 1


@pytest.mark.django_db
class TestInTransaction(OrderTests):
    pass


@pytest.mark.django_db(transaction=True)
class TestCommitted(OrderTests):
    pass
