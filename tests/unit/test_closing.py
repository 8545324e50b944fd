"""Closing sockets: the codes. The reference lists them: see `tests/docs/test_site.py`."""

from __future__ import annotations

from dasf_broker.transports.connection.close_codes import CloseCode


def test_codes_are_different() -> None:
    """Each reason has one of its own, in order."""
    codes = [close.value for close in CloseCode]
    assert codes == sorted(set(codes))
