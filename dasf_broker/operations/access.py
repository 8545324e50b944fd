"""Find the topic of a slug, and what the caller may do with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dasf_broker.domain.slugs import check_slug, is_slug
from dasf_broker.exceptions import ForbiddenError, NotFoundError
from dasf_broker.models import BrokerTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.permissions import TopicRights, equalize_timing, rights_of, rights_on
from dasf_broker.sql.compiled import Selection


@dataclass(frozen=True, slots=True)
class Access:
    """A topic that a caller may see."""

    caller: Caller
    topic: BrokerTopic
    rights: TopicRights

    def require(self, allowed: bool, *, to: str) -> Access:
        """Return itself if the caller has the right.

        Raises
        ------
        ForbiddenError
            They have not; the text names the activity with ``to``.
        """
        if not allowed:
            name = "An anonymous caller" if self.caller.is_anonymous else str(self.caller.user)
            raise ForbiddenError(f"{name} may not {to} topic {self.topic.slug!r}.")
        return self

    def to_consume(self) -> Access:
        """Return itself if the caller may read and acknowledge messages.

        Raises
        ------
        ForbiddenError
            They may not.
        """
        return self.require(self.rights.may_consume, to="consume from")

    def to_acknowledge(self) -> Access:
        """Return itself if the caller may acknowledge messages.

        Raises
        ------
        ForbiddenError
            They may not, or the caller is the server itself: an acknowledgement is a consumer's.
        """
        if self.caller.is_server:
            raise ForbiddenError("Only a user can acknowledge a message; say which one.")
        return self.to_consume()


class AccessTable:
    """The rights of a batch of callers on the topics that they name. Two queries for all.

    Parameters
    ----------
    wanted
        Pairs of caller and slug.
    """

    def __init__(self, wanted: Collection[tuple[Caller, str]]) -> None:
        #: Primary keys of the users, by slug. No rows: each caller's is of another time.
        self._users: dict[str, set[Any]] = defaultdict(set)
        for caller, slug in wanted:
            self._users[slug].add(caller.user.pk)
        self._topics: dict[str, BrokerTopic] = {}
        self._rights: dict[tuple[Any, int], TopicRights] = {}
        self._load([*self._users])

    def get(self, caller: Caller, slug: str) -> Access:
        """Return the topic for the caller.

        Raises
        ------
        NotFoundError
            It does not exist, or the caller may not see it.
        """
        topic = self._topics.get(slug)
        if topic is None or not (rights := self._rights[caller.user.pk, topic.pk]).is_visible:
            raise NotFoundError.topic(slug)
        return Access(caller, topic, rights)

    def exists(self, slug: str) -> bool:
        """Tell whether the topic exists, visible or hidden."""
        return slug in self._topics

    def reload(self, *slugs: str) -> None:
        """Read topics again that were created or removed meanwhile. Two queries."""
        for slug in slugs:
            self._topics.pop(slug, None)
        self._load(slugs)

    def _load(self, slugs: Collection[str]) -> None:
        # A text that is no slug names no topic, and the database may refuse it.
        names = [slug for slug in slugs if is_slug(slug)]
        topics = _topics(names)
        self._topics.update((topic.slug, topic) for topic in topics)
        # Only for the named pairs: all users with all topics would be too many.
        pairs = [(user_id, topic) for topic in topics for user_id in self._users[topic.slug]]
        self._rights.update(rights_of(pairs))
        if names and not pairs:  # the time must not tell a missing topic from a hidden one
            equalize_timing(user_id for slug in names for user_id in self._users[slug])


@Selection
def _topics(slugs: Collection[str]) -> Any:
    return BrokerTopic.objects.with_response_info().filter(slug__in=slugs).order_by()


def access(caller: Caller, slug: str, *, field: str = "topic") -> Access:
    """Return one topic for one caller. Two queries.

    Parameters
    ----------
    field
        The argument to name in the error.

    Raises
    ------
    BadInputError
        This is not a slug.
    NotFoundError
        The topic does not exist, or the caller may not see it.
    """
    check_slug(slug, field=field)
    return AccessTable([(caller, slug)]).get(caller, slug)


def consumable(caller: Caller, slug: str) -> Access:
    """Return one topic for a caller that wants to read its messages.

    Raises
    ------
    BadInputError, NotFoundError
        As :func:`access`.
    ForbiddenError
        The caller may not consume from it.
    """
    return access(caller, slug).to_consume()


def access_by_id(caller: Caller, topic_id: int) -> Access:
    """Do as :func:`access` for a topic by primary key."""
    topic = BrokerTopic.objects.with_response_info().filter(pk=topic_id).first()
    if topic is None:
        equalize_timing([caller.user.pk])
        raise NotFoundError("There is no such topic that you may see.")
    rights = rights_on(caller.user, topic)
    if not rights.is_visible:
        raise NotFoundError("There is no such topic that you may see.")
    return Access(caller, topic, rights)
