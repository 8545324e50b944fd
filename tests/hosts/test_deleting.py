"""A host's tables refer to topics and messages: deleting does with them what their keys say."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.servers import Site
from tests.hosts.projects import host_project

MODELS = """
from django.db import models
from dasf_broker.models import BrokerMessage, BrokerTopic

class Note(models.Model):
    topic = models.ForeignKey(BrokerTopic, on_delete=models.CASCADE)

class Place(models.Model):
    topic = models.ForeignKey(BrokerTopic, null=True, on_delete=models.SET_NULL)
    others = models.ManyToManyField(BrokerTopic, related_name="places")

class Contract(models.Model):
    topic = models.ForeignKey(BrokerTopic, on_delete=models.PROTECT)

class Limit(models.Model):
    topic = models.ForeignKey(BrokerTopic, on_delete=models.RESTRICT)

class Proof(models.Model):
    message = models.ForeignKey(BrokerMessage, on_delete=models.PROTECT)

class Bookmark(models.Model):
    message = models.ForeignKey(BrokerMessage, on_delete=models.CASCADE)

class Sensor(BrokerTopic):
    room = models.CharField(max_length=20)
"""

#: What every script begins with.
BEGIN = """
import json
import django
django.setup()
from django.db.models import ProtectedError, RestrictedError
from django.db.models.signals import post_delete, pre_delete
from dasf_broker import publish
from dasf_broker.models import BrokerMessage, BrokerTopic, BrokerTopicQuerySet
from dasf_broker.operations.storage import deletion
from shop.models import Bookmark, Contract, Limit, Note, Place, Proof, Sensor

def rows():
    models = (BrokerMessage, Bookmark, Contract, Limit, Note, Place, Place.others.through, Proof)
    counts = {model.__name__: model.objects.count() for model in models}
    return {name: count for name, count in counts.items() if count}

def topics():
    return [*BrokerTopic.objects.values_list("slug", flat=True)]

def left():
    return BrokerTopicQuerySet(BrokerTopic).count()

def make(slug="topic", count=8):
    topic = BrokerTopic.objects.create(slug=slug, store_messages="store")
    for number in range(count):
        publish(slug, data=number)
    return topic

deletion.STEP = 3
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a project with an app of its own."""
    files = {"shop/__init__.py": "", "shop/migrations/__init__.py": "", "shop/models.py": MODELS}
    folder = tmp_path_factory.mktemp("project")
    settings = 'INSTALLED_APPS += ["shop"]'
    with host_project(folder, settings=settings, files=files, migrate=False) as site:
        site.run("manage.py", "makemigrations", "--verbosity", "0", "shop")
        site.run("manage.py", "migrate", "--verbosity", "0")
        yield site


def test_rows_of_the_host(made: Site) -> None:
    """They are deleted or changed at once, and those of messages with them."""
    said = _run(
        made,
        """
topic, other = make(), make("other", 0)
Note.objects.create(topic=topic)
Note.objects.create(topic=other)
Place.objects.create(topic=topic).others.add(topic, other)
for message in topic.brokermessage_set.all():
    Bookmark.objects.create(message=message)
print(json.dumps(topic.delete()))
print(json.dumps([topics(), rows()["Note"], rows()["Place_others"], Place.objects.get().topic_id]))
for _ in deletion.remove_deleted(): pass
print(json.dumps([left(), rows()]))
Place.objects.all().delete()
print(json.dumps(BrokerTopic.objects.all().delete()))
""",
    )
    gone = {"dasf_broker.BrokerTopic": 1, "shop.Note": 1, "shop.Place_others": 1}
    assert said[0] == [3, gone]
    assert said[1] == [["other"], 1, 1, None]
    assert said[2] == [1, {"Note": 1, "Place": 1, "Place_others": 1}]
    assert said[3] == [2, {"dasf_broker.BrokerTopic": 1, "shop.Note": 1}]


def test_rows_that_forbid_it(made: Site) -> None:
    """Nothing is deleted, and the caller is told; also for messages, which would go later."""
    said = _run(
        made,
        """
topic = make()
for make_row in (
    lambda: Contract.objects.create(topic=topic),
    lambda: Limit.objects.create(topic=topic),
    lambda: Proof.objects.create(message=topic.brokermessage_set.last()),
):
    row = make_row()
    try:
        topic.delete()
    except (ProtectedError, RestrictedError) as error:
        print(json.dumps([type(error).__name__, topics(), BrokerMessage.objects.count()]))
    row.delete()
topic.delete()
for _ in deletion.remove_deleted(): pass
print(json.dumps([left(), rows()]))
""",
    )
    kept: list[object] = [["topic"], 8]
    assert said[:3] == [
        ["ProtectedError", *kept],
        ["RestrictedError", *kept],
        ["ProtectedError", *kept],
    ]
    assert said[3] == [0, {}]


def test_rows_that_come_too_late(made: Site) -> None:
    """One that refers to a topic whose rows are being removed is no reason to stop for ever."""
    said = _run(
        made,
        """
topic = make()
key = topic.pk
topic.delete()
Proof.objects.create(message=BrokerMessage.objects.last())
other = make("other")
other.delete()
for _ in deletion.remove_deleted(): pass
print(json.dumps([left(), rows()]))
Proof.objects.all().delete()
Note.objects.create(topic_id=key)
for _ in deletion.remove_deleted(): pass
print(json.dumps([left(), rows()]))
""",
    )
    assert said[0][0] == 1
    assert said[1] == [0, {}]


def test_models_that_extend_topics(made: Site) -> None:
    """Their rows go with the topic, whichever of the two is deleted; signals are sent."""
    said = _run(
        made,
        """
heard = []
def hear(sender, instance, **_):
    heard.append([sender.__name__, instance.slug])
post_delete.connect(hear, sender=BrokerTopic)
for number in range(2):
    sensor = Sensor.objects.create(slug="sensor", room="roof", store_messages="store")
    for value in range(8):
        publish("sensor", data=value)
    found = sensor if number else BrokerTopic.objects.get()
    found.delete()
    print(json.dumps([topics(), Sensor.objects.count(), found.pk]))
    for _ in deletion.remove_deleted(): pass
    print(json.dumps([left(), rows()]))
print(json.dumps(heard))
""",
    )
    assert said == [[[], 0, None], [0, {}]] * 2 + [[["BrokerTopic", "sensor"]] * 2]


def _run(made: Site, script: str) -> list[list[object]]:
    return [json.loads(line) for line in made.run("-c", BEGIN + script).splitlines()]
