"""The command `dasf_token`, beside what `test_commands.py` shows of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dasf_broker.models import ApiToken
from tests.doors.commands import run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody"], "'nobody'"),
        (["no\0body"], "BAD_INPUT"),
        (["stranger", "--label", "\0"], "BAD_INPUT"),
        (["stranger", "--label", "x" * 129], "at most 128"),
    ],
)
def test_refusals(arguments: list[str], told: str, stranger: User) -> None:
    """They are told, and no token is made."""
    ran = run("dasf_token", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert told in ran.err
    assert not ApiToken.objects.exists()


def test_label_as_long_as_may_be(stranger: User) -> None:
    """It is kept as it is."""
    assert run("dasf_token", "stranger", "--label", "x" * 128).code == 0
    assert ApiToken.objects.get().label == "x" * 128
