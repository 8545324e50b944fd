import pytest

from dasf_broker import create_topic
from dasf_broker.auth import create_token
from dasf_broker.permissions import Right, grant

pytest_plugins = ["dasf_broker.testing.plugin"]


@pytest.fixture
def user(db, django_user_model):
    user = django_user_model.objects.create_user("ada")
    grant(user, create_topic("orders", store_messages="store"), Right.PRODUCE, Right.CONSUME)
    return user


@pytest.fixture
def key(user):
    return create_token(user)[1]
