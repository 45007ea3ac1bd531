"""Which address a client is counted by, behind proxies or not."""

from __future__ import annotations

import ipaddress


def limit_key(peer: str | None, forwarded_for: str | None, *, proxies_trusted: int) -> str:
    """The address that an attempt counts for.

    ``proxies_trusted`` proxies each append their peer to ``X-Forwarded-For`` (AWS: "HTTP headers
    and Application Load Balancers"); what stands further left is the client's own invention.
    IPv6 counts by /64, the smallest block a customer is given (RFC 6177).
    """
    text = peer or ""
    if proxies_trusted and forwarded_for:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        text = hops[-min(proxies_trusted, len(hops))]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def network(address: str) -> str:
    """Roughly where an address is, and not whose it is: its /24, or /48 of IPv6. What is no
    address becomes ``?``, unless it is ``local``."""
    try:
        found = ipaddress.ip_network(address.partition("%")[0], strict=False)
    except ValueError:
        return address if address == "local" else "?"
    wide = 24 if found.version == 4 else 48
    return str(found.supernet(new_prefix=min(wide, found.prefixlen)))
