"""The checker blames nobody for what is allowed, and refuses what it cannot judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.harness.checker import Verdict, check
from tests.chaos.harness.history import (
    AcknowledgeInvoked,
    AcknowledgeUnknown,
    Delivered,
    Drained,
    FaultBegan,
    FaultEnded,
    FinalRow,
    FinalTopic,
    PublishAnswered,
    PublishInvoked,
    PublishUnknown,
    Record,
    SubscriptionEnded,
    SubscriptionOpened,
)


def an_answer_without_a_row(policy: Any) -> list[Record]:
    """Lose one answered message of a topic under a policy."""
    return [*published("m1", 1.0), *the_end(policy)]


@pytest.mark.parametrize(
    ("policy", "is_fine"),
    [("disabled", True), ("cache", False), ("cacheall", False), ("store", False)],
)
def test_what_nobody_stores_need_not_be_there(policy: str, *, is_fine: bool) -> None:
    """Ask for the rows of stored topics only, also where the door says ``STORED`` for anything."""
    assert check(an_answer_without_a_row(policy)).ok is is_fine


@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("policy", ["cache", "cacheall"])
def test_an_acknowledgement_without_an_answer_may_count_or_not(
    policy: str, *, is_kept: bool
) -> None:
    """Accept both: the message is gone, or it is still there."""
    history = [*published("m1", 1.0, sequence=1), *acknowledged("m1", 2.0), *the_end(policy)]
    if is_kept:
        history.append(row("m1", 1))
    assert check(history).ok


@pytest.mark.parametrize("sequences", [(1, 2), (2, 1)])
def test_messages_sent_at_once_have_any_order(sequences: tuple[int, int]) -> None:
    """Accept both orders of two publishes that overlap."""
    first, second = sequences
    history = [
        *published("m1", 1.0, sequence=first, seconds=2.0),
        *published("m2", 2.0, sequence=second, seconds=2.0),
        *the_end("store", last=2),
        row("m1", first),
        row("m2", second),
    ]
    assert check(history).ok


def test_a_message_without_an_answer_may_come_or_not() -> None:
    """Accept a message that is there though its publisher got no answer, and one that is not."""
    history = [
        *published("m1", 1.0, sequence=None, unknown=True),
        *published("m2", 2.0, sequence=None, unknown=True),
        *the_end("store"),
        row("m1", 1),
    ]
    assert check(history).ok


@pytest.mark.parametrize("fault", ["stop client p", "stop client somebody else"])
def test_a_stopped_client_is_late_itself(fault: str) -> None:
    """Do not blame the broker while the client, and no other one, was stopped."""
    history = [
        *published("m1", 1.0, sequence=1, seconds=20.0),
        *broken(fault, 5.0, 10.0),
        *the_end("store"),
        row("m1", 1),
    ]
    assert check(history).ok is (fault == "stop client p")


@pytest.mark.parametrize("fault", ["stop server 1", "stop client somebody else"])
def test_who_gives_up_while_the_broker_is_broken_blames_nobody(fault: str) -> None:
    """Accept a time-out if the broker was stopped, but not if nothing was broken."""
    history = [
        *published("m1", 1.0, seconds=11.0, unknown=True),
        *broken(fault, 2.0, 9.0),
        *the_end("store"),
    ]
    assert check(history).ok is (fault == "stop server 1")


def test_a_killed_client_waits_for_nothing() -> None:
    """Ask no deliveries of a subscription whose process was killed."""
    listening = SubscriptionOpened(
        at=0.5, who="c", subscription="c/1", topic="t", user="ann", start="OUTSTANDING"
    )
    history = [listening, *published("m1", 5.0, sequence=1), *the_end("store"), row("m1", 1)]
    assert check(history).broken == ["answered is delivered"]
    assert check([*history, *broken("kill client c", 1.0, 2.0)]).ok


@pytest.mark.parametrize("resumed_at", [1.0, 2.0])
def test_readers_of_one_user_are_told_apart(resumed_at: float) -> None:
    """Follow two readers of one process and user that break at the same message."""
    opened = SubscriptionOpened(
        who="c", subscription="", topic="t", user="ann", start="EARLIEST", at=0.1
    )
    history: list[Record] = [*published("m1", 1.0, sequence=1), *published("m2", 4.0, sequence=2)]
    for client, at in (("a", resumed_at), ("b", 3.0 - resumed_at)):
        history += [
            replace(opened, subscription=f"{client}/1"),
            delivered(f"{client}/1", "m1", 1, at=1.5),
            SubscriptionEnded(at=1.6, who="c", subscription=f"{client}/1", reason="left"),
            replace(opened, subscription=f"{client}/2", start="AFTER", after=1, at=at + 1),
            delivered(f"{client}/2", "m2", 2, at=4.5),
        ]
    history += [*the_end("store", last=2), row("m1", 1), row("m2", 2)]
    assert check(history).ok
    gap = [each for each in history if each.at != 4.5 or "a/" in each.to_json()]
    assert check(gap).broken == ["readers miss nothing"]


def test_a_history_without_an_end_is_refused() -> None:
    """Refuse to judge a run that did not come to its end."""
    with pytest.raises(ValueError, match="no end"):
        check(published("m1", 1.0))


def test_a_process_that_takes_the_name_of_another_is_refused() -> None:
    """Refuse operations that are there twice, because nobody knows which answer is whose."""
    with pytest.raises(ValueError, match="twice"):
        check([*published("m1", 1.0), *published("m1", 5.0), *the_end("store")])


def test_an_answer_without_a_question_is_refused() -> None:
    """Refuse an answer whose question is not in the history."""
    with pytest.raises(ValueError, match="no beginning"):
        check([published("m1", 1.0)[1], *the_end("store")])


def test_the_verdict_can_be_read() -> None:
    """Show counts, what is wrong in detail, and what was not looked at."""
    verdict = check(an_answer_without_a_row("store"))
    lines = {line.rsplit(maxsplit=2)[0]: line.split()[-2:] for line in verdict.table().splitlines()}
    assert lines["answered is kept"] == ["1", "1"]
    assert lines["deliveries come at once"] == ["0", "0"]
    assert "deliveries come at once" in verdict.vacuous
    assert "answered is kept" not in verdict.vacuous
    [violation] = verdict.violations
    assert violation == (
        "answered is kept: message m1 of topic t under store is not stored at the end and nobody "
        "acknowledged it; publish p/1 was answered STORED at 0.100 s."
    )
    assert violation.removeprefix("answered is kept: ") in verdict.report()


def test_a_report_is_no_flood() -> None:
    """Show some violations of each invariant, and how many more there are."""
    lost = [record for n in range(1, 9) for record in published(f"m{n}", float(n), operation=n)]
    report = check([*lost, *the_end("store")]).report(most=3)
    assert "message m3" in report
    assert "message m4" not in report
    assert "and 5 more" in report


def test_a_host_adds_invariants() -> None:
    """Check with an invariant of one's own."""
    verdict: Verdict = check(the_end("store"), [lambda run: iter([f"drained at {run.drained}"])])
    assert verdict.violations == ["<lambda>: drained at 100.0"]


# --- helpers ----------------------------------------------------------------------------------


def published(
    message_id: str,
    at: float,
    *,
    sequence: int | None = None,
    seconds: float = 0.1,
    unknown: bool = False,
    operation: int | None = None,
) -> list[Record]:
    """Return that a message was published."""
    number = operation or int(message_id[1:])
    invoked = PublishInvoked(
        at=at, who="p", operation=number, topic="t", message_id=message_id, text="x", user="paul"
    )
    end: Record = PublishAnswered(
        at=at + seconds, who="p", operation=number, status="STORED", sequence=sequence
    )
    if unknown:
        end = PublishUnknown(at=at + seconds, who="p", operation=number, reason="time-out")
    return [invoked, end]


def acknowledged(message_id: str, at: float) -> list[Record]:
    """Return that ann acknowledged a message, without an answer."""
    invoked = AcknowledgeInvoked(
        at=at, who="c", operation=1, topic="t", message_id=message_id, user="ann"
    )
    return [invoked, AcknowledgeUnknown(at=at + 0.1, who="c", operation=1, reason="lost")]


def delivered(subscription: str, message_id: str, sequence: int, *, at: float) -> Delivered:
    """Return that a message was delivered."""
    return Delivered(
        at=at,
        who="c",
        subscription=subscription,
        topic="t",
        message_id=message_id,
        sequence=sequence,
        text="x",
    )


def broken(fault: str, start: float, end: float) -> list[Record]:
    """Return that something was broken for a while."""
    return [FaultBegan(at=start, fault=fault), FaultEnded(at=end, fault=fault)]


def row(message_id: str, sequence: int) -> FinalRow:
    """Return a message that is stored at the end."""
    return FinalRow(at=101.0, topic="t", message_id=message_id, sequence=sequence)


def the_end(policy: Any, last: int = 1) -> list[Record]:
    """Return the end of a history with one topic, of which ann is the only consumer."""
    topic = FinalTopic(at=101.0, topic="t", policy=policy, consumers=("ann",), last_sequence=last)
    return [Drained(at=100.0), topic]
