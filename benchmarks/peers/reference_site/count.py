"""Print how many messages are stored."""

from __future__ import annotations

import sys

import django

django.setup()

from dasf_broker.models import BrokerMessage  # noqa: E402 - Django first

sys.stdout.write(str(BrokerMessage.objects.count()))
