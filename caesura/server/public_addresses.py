"""Which addresses of the network are anybody's, so that a server may be asked to reach them.

Whoever may name a URL must not reach through us what only we can reach: this machine, its neighbours, a
cloud's metadata. So only ordinary public addresses count; everything that is private, special, or a way to
write another address (IPv4 inside IPv6, tunnels, translation) is refused. Enters: an address. Leaves: whether
it counts. Read next: `fetching.py`, which asks after each look-up.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Public by their number, but what answers there is the cloud that we run in, or no single machine.
_SPECIAL = tuple(
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
        # Tunnels: the address that they lead to is inside.
        *("2001::/23", "2002::/16", "3fff::/20"),
    )
)
# Ordinary addresses of IPv6 are all in here; written IPv4 addresses, translation and local ones are not.
_ORDINARY = IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Whether this is an ordinary public address; False for what is no address at all."""
    try:
        number = ip_address(address)
    except ValueError:
        return False
    if isinstance(number, IPv6Address) and (number not in _ORDINARY or number.scope_id is not None):
        return False
    return _is_ordinary(number)


def _is_ordinary(number: IPv4Address | IPv6Address) -> bool:
    is_kept = number.is_multicast or number.is_reserved or number.is_unspecified or number.is_loopback
    is_special = any(number in network for network in _SPECIAL if network.version == number.version)
    return number.is_global and not number.is_link_local and not is_kept and not is_special
