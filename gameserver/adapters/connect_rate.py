"""How many connections one address may open a second."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

ADDRESSES_MAX = 65_536
"""Addresses remembered. Over it the one seen longest ago is forgotten, which gives it a full
bucket again: under a flood from many addresses the limit on unauthenticated sockets holds."""


def group_of(address: str) -> str:
    """What is counted together: an IPv4 address, or an IPv6 /64, which one subscriber can vary
    freely within (RFC 6177). What is not an address (a unix socket) is its own group."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.packed[:8].hex()


class ConnectRate:
    """A token bucket per address group: ``per_s`` tokens a second, at most ``per_s`` saved up."""

    __slots__ = ("_addresses_max", "_buckets", "_per_s")

    def __init__(self, per_s: int, *, addresses_max: int = ADDRESSES_MAX) -> None:
        self._per_s = float(per_s)
        self._addresses_max = addresses_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: float) -> int:
        """Take a token: 0, or the whole seconds after which there is one again."""
        group = group_of(address)
        tokens, at = self._buckets.get(group, (self._per_s, now))
        tokens = min(self._per_s, tokens + (now - at) * self._per_s)
        refused = tokens < 1.0
        self._buckets[group] = (tokens if refused else tokens - 1.0, now)
        self._buckets.move_to_end(group)
        if len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        return math.ceil((1.0 - tokens) / self._per_s) if refused else 0
