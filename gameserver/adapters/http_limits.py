"""How often the HTTP API may be called, by class of call: for each address and for each player.

Buckets are a node's own: behind a balancer a caller may get as many times the limit as there are
nodes. The limits are against abuse of one node, and the sums that cost (mail, log-ins) have limits
of Amazon Cognito's own behind these.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from gameserver.adapters.http_problem import TOO_MANY_REQUESTS, Problem, retry_after
from gameserver.adapters.http_routes import Rate
from gameserver.config import Config

KEYS_MAX = 20_000
WINDOW_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """``wait_s`` 0: the call may go on. ``full_s``: until all of the limit is there again."""

    wait_s: float
    left: int
    full_s: float


class KeyedLimit:
    """A token bucket per key: ``per_minute`` calls at once, refilled evenly.

    At most ``keys_max`` keys are remembered; the one longest unused is forgotten first, which
    gives an attacker with that many addresses nothing but a full bucket.
    """

    def __init__(self, per_minute: int, *, keys_max: int = KEYS_MAX) -> None:
        self.per_minute = per_minute
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now_s: float) -> Taken:
        """Take one call of ``key``'s."""
        most = self.per_minute
        left, seen_s = self._buckets.pop(key, (float(most), now_s))
        left = min(most, left + (now_s - seen_s) * most / WINDOW_S)
        wait_s = 0.0 if left >= 1 else (1 - left) * WINDOW_S / most
        if wait_s == 0:
            left -= 1
        self._buckets[key] = (left, now_s)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return Taken(wait_s=wait_s, left=int(left), full_s=(most - left) * WINDOW_S / most)


class _Limit:
    """A ``KeyedLimit`` with a name, under which callers are told of it."""

    def __init__(self, name: str, per_minute: int) -> None:
        self._name = name
        self._limit = KeyedLimit(per_minute)
        self._policy = f'"{name}";q={per_minute};w={WINDOW_S}'

    def spend(self, key: str, now_s: float) -> dict[str, str]:
        """The headers that say what is left (draft-ietf-httpapi-ratelimit-headers-10). Raises
        ``Problem`` 429."""
        taken = self._limit.take(key, now_s)
        headers = {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{self._name}";r={taken.left};t={math.ceil(taken.full_s)}',
        }
        if taken.wait_s:
            raise Problem(TOO_MANY_REQUESTS, headers={**headers, **retry_after(taken.wait_s)})
        return headers


class HttpLimits:
    """The limits of one node."""

    def __init__(self, config: Config) -> None:
        self._of_address: Mapping[Rate, _Limit] = {
            Rate.AUTH: _Limit("auth-address", config.auth_per_minute),
            Rate.MAIL: _Limit("mail-address", config.mails_per_minute),
            Rate.READ: _Limit("read-address", config.reads_per_address_per_minute),
            Rate.WRITE: _Limit("write-address", config.writes_per_address_per_minute),
            Rate.OPERATE: _Limit("operate-address", config.operations_per_minute),
        }
        self._of_player: Mapping[Rate, _Limit] = {
            Rate.AUTH: _Limit("auth", config.auth_per_minute),
            Rate.MAIL: _Limit("mail", config.mails_per_minute),
            Rate.READ: _Limit("read", config.reads_per_minute),
            Rate.WRITE: _Limit("write", config.writes_per_minute),
            Rate.OPERATE: _Limit("operate", config.operations_per_minute),
        }

    def spend_address(self, rate: Rate, address: str, now_s: float) -> dict[str, str]:
        """Count a call from ``address``, before anything of it is looked at."""
        return self._of_address[rate].spend(address, now_s)

    def spend_player(self, rate: Rate, player: str, now_s: float) -> dict[str, str]:
        """Count a call of a player whose token is good."""
        return self._of_player[rate].spend(player, now_s)
