"""Create a database with topics and users; print their keys as JSON."""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from guardian.shortcuts import assign_perm  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

from dasf_broker.models import BrokerTopic  # noqa: E402 - Django first

call_command("migrate", verbosity=0)
keys = {}
topics = [BrokerTopic.objects.create(slug=slug) for slug in sys.argv[1:]]
for name, right in {"producer": "can_produce", "consumer": "can_consume"}.items():
    user = get_user_model().objects.create_user(name)
    for topic in topics:
        assign_perm(right, user, topic)
    keys[name] = Token.objects.create(user=user).key
json.dump(keys, sys.stdout)
