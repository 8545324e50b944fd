from django.contrib.auth.models import User
import pytest
from dasf_broker.models import BrokerTopic
from dasf_broker.operations import subscribe
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.writer import get_writer
from dasf_broker.operations.publish import Publication
from dasf_broker.domain.envelope import Envelope


def test_sync(topic: BrokerTopic, producer: User) -> None:
    done = topic.create_and_send_message(producer, {"properties": {}, "payload": ""})
    assert done.message.sequence == 1


@pytest.mark.django_db(transaction=True)
async def test_async(
    topic: BrokerTopic, producer: User, consumer: User, hub_lifetime: None
) -> None:
    stream = subscribe.messages(Caller(consumer), "topic")
    await get_writer().publish.one(
        Publication(Caller(producer), "topic", Envelope.compose(max_size=1000, text="a"))
    )
    got = await anext(stream)
    assert got.message.sequence == 1
    await get_writer().publish.one(
        Publication(Caller(producer), "topic", Envelope.compose(max_size=1000, text="a"))
    )
    got = await anext(stream)
    assert got.message.sequence == 2
    await stream.aclose()
