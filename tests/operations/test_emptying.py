"""What a transactional test leaves behind: nothing but what migrations put there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from guardian.utils import get_anonymous_user
from pytest_django import DjangoDbBlocker

from dasf_broker import primary
from dasf_broker.models import BrokerTopic
from dasf_broker.permissions import Right, grant
from tests.emptying import Contents, contents, restore

ALIAS = primary.alias()


@pytest.fixture
def leaves_nothing(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Contents]:
    """Compare what is in the tables before a test and after its end; return the former."""
    with django_db_blocker.unblock():
        before = contents(ALIAS)
        yield before
        assert contents(ALIAS) == before
        connection.close()


def test_nothing_is_left_behind(leaves_nothing: Contents, transactional_db: None) -> None:
    """Rows that a test committed are gone, in tables that were empty and in those that were not."""
    fill()
    assert {table for table, rows in contents(ALIAS).items() if rows != leaves_nothing[table]} >= {
        "auth_group",
        "auth_permission",
        "auth_user",
        "auth_user_groups",
        "dasf_broker_brokermessage",
        "dasf_broker_brokertopic",
        "dasf_broker_brokertopicuserpermission",
        "django_content_type",
    }


def test_what_was_there_is_there_again(leaves_nothing: Contents, transactional_db: None) -> None:
    """Content types, permissions and the anonymous user come back, with the same keys."""
    User.objects.update(username="changed")
    ContentType.objects.all().delete()
    assert not Permission.objects.exists()
    restore(ALIAS, leaves_nothing)
    assert contents(ALIAS) == leaves_nothing
    assert ContentType.objects.get_for_model(BrokerTopic).model == "brokertopic"
    assert Permission.objects.filter(codename=Right.CONSUME).count() == 1
    assert get_anonymous_user().has_usable_password() is False


def test_new_rows_get_new_keys(leaves_nothing: Contents, transactional_db: None) -> None:
    """What was put back is in nobody's way."""
    User.objects.all().delete()
    restore(ALIAS, leaves_nothing)
    fill()


def fill() -> None:
    """Commit rows to many tables."""
    topic = BrokerTopic.objects.create(slug="topic", store_messages="store")
    user = User.objects.create_user("somebody")
    user.groups.add(Group.objects.create(name="everybody"))
    grant(user, topic, Right.PRODUCE)
    topic.create_and_send_message(user, {"payload": ""})
    kind = ContentType.objects.create(app_label="nothing", model="nothing")
    Permission.objects.create(codename="nothing", name="nothing", content_type=kind)
