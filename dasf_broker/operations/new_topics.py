"""The topics that a batch of messages may create: under which names, for whom, and how many.

A new topic costs far more than a message. So what the messages of a batch would create is counted
before any of it is created, for each caller; what is too much is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dasf_broker import app_settings
from dasf_broker.domain.slugs import is_derived, is_slug
from dasf_broker.exceptions import BadInputError, BrokerError, ForbiddenError, RateLimitedError
from dasf_broker.operations.access import AccessTable
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.publications import Publication
from dasf_broker.operations.rate_limits import admitted_topics, whose
from dasf_broker.permissions import Right, holds_globally


@dataclass(slots=True)
class _Wish:
    """The new topics that the messages of one caller name, in order and each once."""

    caller: Caller
    slugs: dict[str, None] = field(default_factory=dict)


class NewTopics:
    """What the callers of a batch may create. At most one query for each caller.

    Parameters
    ----------
    table
        The rights of the callers on the topics that they name.
    publications
        The messages of the batch.
    """

    def __init__(self, table: AccessTable, publications: Iterable[Publication]) -> None:
        self.table = table
        self._may_add: dict[Caller, bool] = {}
        self._refused: dict[tuple[str, str], BrokerError] = {}
        self._count(publications)

    def may_add(self, caller: Caller) -> bool:
        """Tell whether the caller may create topics of any name."""
        if caller not in self._may_add:
            self._may_add[caller] = holds_globally(caller.user, Right.ADD)
        return self._may_add[caller]

    def check_asks(self, caller: Caller, source: str) -> None:
        """Check that the caller may ask for answers at all.

        Raises
        ------
        ForbiddenError
            The caller is anonymous: all anonymous callers are one user, and would read each
            other's answers.
        """
        if caller.is_anonymous and caller.row_key is None:
            raise ForbiddenError(
                f"An anonymous caller may not ask for answers from topic {source!r}: there is no "
                "anonymous user who could read them. Log in, send a token, or leave out the "
                "response topic."
            )
        if not _may_ask(caller):
            raise ForbiddenError(
                f"An anonymous caller may not ask for answers from topic {source!r}, because all "
                "anonymous callers would read them. Log in, send a token, or leave out the "
                "response topic."
            )

    def check_name(self, caller: Caller, slug: str, source: str) -> None:
        """Check that a new response topic may have the name.

        It does not matter whether there is such a topic: the answer must not tell.

        Raises
        ------
        BadInputError
            It is not derived from the name of the source topic, and the caller may not create
            topics of any name.
        """
        if not self._may_name(caller, slug, source):
            raise BadInputError(
                f"{slug!r} cannot be the name of a new response topic of {source!r}: begin it with "
                f"'{source}_' and add something random, or name a topic that you may consume from.",
                field="responseTopic",
            )

    def check_count(self, caller: Caller, slug: str) -> None:
        """Check that the caller may create one more topic.

        Raises
        ------
        RateLimitedError
            They create too many in one request, or too many in some time.
        """
        if (error := self._refused.get((whose(caller), slug))) is not None:
            raise error

    def _may_name(self, caller: Caller, slug: str, source: str) -> bool:
        is_free = app_settings.DASF_FREE_RESPONSE_TOPIC_NAMES
        return is_free or is_derived(slug, source) or self.may_add(caller)

    def _count(self, publications: Iterable[Publication]) -> None:
        wishes: dict[str, _Wish] = {}
        for each in publications:
            if each.is_limited and not each.caller.is_server:
                for slug in self._created_by(each):
                    wish = wishes.setdefault(whose(each.caller), _Wish(each.caller))
                    wish.slugs[slug] = None
        if wishes:
            self._refused.update(_refused(wishes))

    def _created_by(self, publication: Publication) -> Iterator[str]:
        """Yield the topics that a message creates, unless it is refused."""
        caller, slug = publication.caller, publication.slug
        if not self.table.exists(slug):
            may_create = app_settings.DASF_CREATE_TOPIC_ON_MESSAGE and is_slug(slug)
            if not may_create or not self.may_add(caller):
                return
            yield slug
        answers = publication.envelope.response_topic
        if answers is None or self.table.exists(answers) or not _may_ask(caller):
            return
        if self._may_name(caller, answers, slug):
            yield answers


def _may_ask(caller: Caller) -> bool:
    if not caller.is_anonymous:
        return True
    return caller.row_key is not None and app_settings.DASF_ANONYMOUS_RESPONSE_TOPICS


def _refused(wishes: dict[str, _Wish]) -> dict[tuple[str, str], BrokerError]:
    """Return the topics that are too many, by their caller and name, and why."""
    limit: int = app_settings.DASF_MAX_NEW_TOPICS
    refused: dict[tuple[str, str], BrokerError] = {}
    amounts = [(wish.caller, min(limit, len(wish.slugs))) for wish in wishes.values()]
    admitted = admitted_topics(amounts)
    for (name, wish), (room, error) in zip(wishes.items(), admitted, strict=True):
        for number, slug in enumerate(wish.slugs):
            if number >= limit:
                refused[name, slug] = _too_many(slug, limit)
            elif number >= room and error is not None:
                refused[name, slug] = error
    return refused


def _too_many(slug: str, limit: int) -> RateLimitedError:
    return RateLimitedError(
        f"The messages of one request create at most {limit} topics, and {slug!r} would be one "
        "more. Send this message again in a second request.",
        limit=limit,
    )
