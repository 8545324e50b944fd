"""Remove tokens that are no longer valid."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from dasf_broker.db_connections import retried
from dasf_broker.models import ApiToken

#: How long a token is kept after its end, so that its owner can see why a script was refused.
KEPT = timedelta(days=30)


@retried
def remove_unusable(now: datetime) -> int:
    """Remove tokens that expired or were revoked a month ago; return how many."""
    over = now - KEPT
    removed, _ = ApiToken.objects.filter(Q(expires__lte=over) | Q(revoked__lte=over)).delete()
    return removed
