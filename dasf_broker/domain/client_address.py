"""The address by which a client is counted, also behind trusted proxies."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

#: Longest text of an address, with a zone and a port.
_MAX_LENGTH = 100

#: Bits of an IPv6 address that its owner cannot choose; the owner has all 2**64 addresses of them.
_PREFIX = 64


def client_address(peer: str | None, forwarded: str | None, proxies: int) -> str | None:
    """Return the address by which a client is counted, or ``None`` if it has none.

    Parameters
    ----------
    peer
        The address at the other end of the connection. A unix socket has none.
    forwarded
        The header ``X-Forwarded-For``. Each proxy appends the peer of its own connection; a client
        can send any entries before those.
    proxies
        How many proxies of the host append to that header. With 0 it is ignored.
    """
    if proxies and forwarded:
        # From the end, and no further than the proxies wrote.
        named = forwarded.rsplit(",", proxies)[-proxies:]
        counted = _counted(named[0].strip())
        if counted is not None:
            return counted
    return _counted(peer) if peer else None


def _counted(text: str) -> str | None:
    return _counted_address(text) if len(text) <= _MAX_LENGTH else None


@lru_cache(maxsize=1024)
def _counted_address(text: str) -> str | None:
    address = _address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), _PREFIX), strict=False))
    return None if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    # Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
    without_port = text.partition("]")[0].lstrip("[") if text.startswith("[") else text
    if without_port.count(":") == 1:
        without_port = without_port.partition(":")[0]
    try:
        return ip_address(without_port)
    except ValueError:
        return None
