"""Whose address counts, and how much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasf_broker.domain.client_address import client_address


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", None),
        (None, None),
        ("testclient", None),
    ],
)
def test_peers(peer: str | None, expected: str | None) -> None:
    """One IPv6 network is one client: its addresses cost nothing."""
    assert client_address(peer, None, 0) == expected


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("198.51.100.1", 0, "192.0.2.1"),
        ("198.51.100.1", 1, "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", 1, "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 192.0.2.7", 2, "198.51.100.1"),
        ("198.51.100.1", 3, "198.51.100.1"),
        ("198.51.100.1:4711", 1, "198.51.100.1"),
        ("[2001:db8::1]:4711", 1, "2001:db8::/64"),
        ("2001:db8::1", 1, "2001:db8::/64"),
        ("unknown", 1, "192.0.2.1"),
        ("", 1, "192.0.2.1"),
    ],
)
def test_proxies(forwarded: str, proxies: int, expected: str) -> None:
    """What stands before the entries of our own proxies is not believed."""
    assert client_address("192.0.2.1", forwarded, proxies) == expected


@given(st.text(), st.text(), st.integers(0, 3))
def test_any_header_is_taken(peer: str, forwarded: str, proxies: int) -> None:
    """Nonsense is nobody's address, and no error."""
    found = client_address(peer, forwarded, proxies)
    assert found is None or len(found) < 64
