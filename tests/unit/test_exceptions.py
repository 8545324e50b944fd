"""The errors that callers may rely on."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from dasf_broker import exceptions
from dasf_broker.exceptions import INTERNAL, BadInputError, BrokerError, NotFoundError

ERRORS = BrokerError.__subclasses__()


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_code_that_the_module_explains(error: type[BrokerError]) -> None:
    """The tree in the module's docstring names each class beside its code."""
    assert exceptions.__doc__ is not None
    line = rf"[├└]── {error.__name__} +{error.code} +\w"
    assert re.search(line, exceptions.__doc__)


def test_no_two_errors_share_a_code() -> None:
    """A code tells what happened, and INTERNAL is nobody's."""
    codes = Counter(error.code for error in ERRORS)
    assert set(codes.values()) == {1}
    assert INTERNAL not in codes


def test_the_codes_of_the_contract_are_there() -> None:
    """Clients match on these texts."""
    assert {error.code for error in ERRORS} == {
        "BAD_INPUT",
        "UNAUTHENTICATED",
        "NOT_FOUND",
        "FORBIDDEN",
        "CONFLICT",
        "TOPIC_FULL",
        "PAYLOAD_TOO_LARGE",
        "RATE_LIMITED",
        "QUERY_TOO_COMPLEX",
        "CURSOR_EXPIRED",
        "SLOW_CONSUMER",
        "UNAVAILABLE",
    }


def test_details_go_beside_the_code() -> None:
    """What a program needs to know stands in the extensions."""
    error = exceptions.RateLimitedError("Too fast.", retryAfter=3)
    assert error.extensions == {"code": "RATE_LIMITED", "retryAfter": 3}
    assert str(error) == "Too fast."


def test_bad_input_names_its_field_if_there_is_one() -> None:
    """A value of the whole request has no field to name."""
    assert BadInputError("Wrong.").extensions == {"code": "BAD_INPUT"}
    assert BadInputError("Wrong.", field="topic").details == {"field": "topic"}


def test_a_missing_topic_is_named() -> None:
    """The text says which slug was asked for, and not whether it exists."""
    error = NotFoundError.topic("secret")
    assert str(error) == "There is no topic 'secret' that you may see."
    assert error.extensions == {"code": "NOT_FOUND"}
