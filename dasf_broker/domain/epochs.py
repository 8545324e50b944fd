"""The epoch of a topic: tells its sequences from those of another history of the database.

A database that is restored from a backup, or taken over by a replica that lagged, gives sequences
again that it gave before, to other messages. The topic then begins a new epoch, and cursors of
earlier ones are not honoured any more.

A later epoch is a larger number. So a server that meets another epoch than it knows can tell a
topic that began a new one from a database that went back.
"""

from __future__ import annotations

import secrets

#: The next epoch is larger by this at most. It is a random number: two histories of one database
#: must not begin the same epoch.
STEP = 2**32


def next_epoch(epoch: int = 0) -> int:
    """Return a new epoch after this one; without one, the first epoch of a new topic."""
    return epoch + 1 + secrets.randbelow(STEP)
