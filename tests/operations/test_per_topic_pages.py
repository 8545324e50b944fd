"""Any part of the lists of many topics is what a plain list in Python says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.cursors import encode_cursor, message_cursor
from dasf_broker.exceptions import BadInputError
from dasf_broker.models import Acknowledgement, BrokerMessage, BrokerTopic, ResponseTopic
from dasf_broker.operations.caller import Caller
from dasf_broker.operations.lists.paging import PageRequest
from dasf_broker.operations.lists.per_topic import (
    list_messages_of_each,
    list_response_topics,
    list_source_messages,
)
from dasf_broker.permissions import Right, grant
from tests.operations.helpers import rolled_back

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Part:
    """A part of a list, with positions in place of cursors."""

    size: int
    backward: bool
    after: int | None
    before: int | None

    def of(self, positions: Sequence[int]) -> tuple[list[int], bool, bool]:
        """Return the positions in this part, and whether there are any behind and before it."""
        inside = [
            each
            for each in positions
            if (self.after is None or each > self.after)
            and (self.before is None or each < self.before)
        ]
        more = len(inside) > self.size
        if self.backward:
            return inside[max(len(inside) - self.size, 0) :], self.before is not None, more
        return inside[: self.size], more, self.after is not None

    def request(self, cursor: Any) -> PageRequest:
        """Return how a client asks for it."""
        after = None if self.after is None else cursor(self.after)
        before = None if self.before is None else cursor(self.before)
        if self.backward:
            return PageRequest(last=self.size, after=after, before=before)
        return PageRequest(first=self.size, after=after, before=before)


#: The newest sequence of each topic.
LAST = 8

POSITIONS = st.none() | st.integers(0, LAST)
PARTS = st.builds(Part, st.integers(0, 5), st.booleans(), POSITIONS, POSITIONS)
#: A topic's messages, each a letter: acknowledged by the reader or new, of context 1 in small
#: letters; or gone.
LETTERS = st.text("anAN-", max_size=7)


@given(
    topics=st.lists(LETTERS, max_size=4),
    part=PARTS,
    outstanding=st.booleans(),
    narrowed=st.booleans(),
)
def test_messages(topics: list[str], part: Part, *, outstanding: bool, narrowed: bool) -> None:
    """With cursors of the first topic, which the others refuse."""
    kept = set("anAN") - set("aA" if outstanding else "") - set("AN" if narrowed else "")
    with rolled_back():
        reader = User.objects.create_user("reader")
        rows = [_topic(f"topic-{number}", each, reader) for number, each in enumerate(topics)]
        pages = list_messages_of_each(
            Caller(reader),
            rows,
            part.request(
                lambda position: message_cursor(
                    rows[0].pk if rows else 1, position, rows[0].epoch if rows else 0
                )
            ),
            restrict=lambda found: found.filter(context=1) if narrowed else found,
            outstanding=outstanding,
        )
    assert set(pages) == set(rows)
    has_cursor = part.after is not None or part.before is not None
    for row, letters in zip(rows, topics, strict=True):
        if has_cursor and row != rows[0]:
            assert isinstance(pages[row], BadInputError)
        else:
            assert _sequences(pages[row], row) == part.of(_positions(letters, kept))


@given(sources=st.lists(st.text("vh", max_size=7), max_size=4), part=PARTS)
def test_response_topics(sources: list[str], part: Part) -> None:
    """Each a letter: visible or hidden. The same cursor is a place in all lists."""
    with rolled_back():
        reader = User.objects.create_user("reader")
        rows = []
        for number, letters in enumerate(sources):
            rows.append(BrokerTopic.objects.create(slug=f"topic-{number}"))
            for position, letter in enumerate(letters, start=1):
                answers = ResponseTopic(slug=_slug(position, number), is_response_for=rows[-1])
                answers.save()
                if letter == "v":
                    grant(reader, answers, Right.VIEW_STATUS)
        request = part.request(lambda position: encode_cursor("slug", _slug(position)))
        pages = list_response_topics(Caller(reader), rows, request)
    for row, letters in zip(rows, sources, strict=True):
        page: Any = pages[row]
        found = [int(topic.slug[1]) for _, topic in page.items]
        assert {topic.source_topic_id for _, topic in page.items} <= {row.pk}
        # A slug is longer than the cursor of its position, and so behind it.
        shifted = Part(part.size, part.backward, _less(part.after), part.before)
        assert (found, page.has_next, page.has_previous) == shifted.of(_positions(letters, "v"))


@given(
    links=st.lists(st.sets(st.integers(0, 3)), max_size=7),
    mine=st.sets(st.integers(1, 7)),
    part=PARTS,
    may_consume=st.booleans(),
)
def test_source_messages(
    links: list[set[int]], mine: set[int], part: Part, *, may_consume: bool
) -> None:
    """Requests of one topic that several response topics answer; and some of another topic."""
    with rolled_back():
        reader = User.objects.create_user("reader")
        source = _topic("source", "n" * len(links), reader)
        source.brokermessage_set.exclude(sequence__in=mine).update(user=None)
        other = _topic("other", "nn", reader)
        answers = [_response_topic(f"answers-{number}", source) for number in range(4)]
        for row, linked in zip(source.brokermessage_set.order_by("sequence"), links, strict=True):
            for number in linked:
                row.responsetopic_set.add(ResponseTopic.objects.get(pk=answers[number].pk))
        stray = ResponseTopic.objects.get(pk=answers[0].pk)
        stray.source_messages.add(*other.brokermessage_set.all())  # no requests of its source
        pages = list_source_messages(
            Caller(reader),
            [(each, source) for each in answers],
            part.request(lambda position: message_cursor(source.pk, position, source.epoch)),
            may_consume_source=may_consume,
        )
    for number, each in enumerate(answers):
        positions = [
            position
            for position, linked in enumerate(links, start=1)
            if number in linked and (may_consume or position in mine)
        ]
        assert _sequences(pages[each, source], source) == part.of(positions)


def _positions(letters: str, kept: Collection[str]) -> list[int]:
    return [position for position, letter in enumerate(letters, start=1) if letter in kept]


def _sequences(page: Any, topic: BrokerTopic) -> tuple[list[int], bool, bool]:
    for cursor, message in page.items:
        assert message.topic_slug == topic.slug
        assert cursor == message_cursor(topic.pk, message.sequence, topic.epoch)
    return [message.sequence for _, message in page.items], page.has_next, page.has_previous


def _topic(slug: str, letters: str, reader: User) -> BrokerTopic:
    topic: BrokerTopic = BrokerTopic.objects.create(slug=slug, last_sequence=LAST)
    for sequence, letter in enumerate(letters, start=1):
        if letter == "-":
            continue
        message = BrokerMessage.objects.create(
            topic=topic,
            sequence=sequence,
            message_id=uuid4(),
            message_type="request",
            context=1 if letter.islower() else 2,
            content={"properties": {}, "payload": ""},
            user=reader,
        )
        if letter in "aA":
            Acknowledgement.objects.create(message=message, user=reader)
    return BrokerTopic.objects.with_response_info().get(pk=topic.pk)  # type: ignore[no-any-return]


def _response_topic(slug: str, source: BrokerTopic) -> BrokerTopic:
    ResponseTopic(slug=slug, is_response_for=source).save()
    return BrokerTopic.objects.with_response_info().get(slug=slug)  # type: ignore[no-any-return]


def _slug(position: int, *rest: int) -> str:
    return "".join(["a", *map(str, (position, *rest))])


def _less(position: int | None) -> int | None:
    return None if position is None else position - 1
