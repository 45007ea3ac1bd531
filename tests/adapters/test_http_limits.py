"""How often one may call."""

from __future__ import annotations

import pytest

from gameserver.adapters.client_address import limit_key
from gameserver.adapters.http_limits import KeyedLimit


def test_attempts_come_back_evenly() -> None:
    limit = KeyedLimit(60)
    assert all(limit.take("a", 0).wait_s == 0 for _ in range(60))
    assert limit.take("a", 0).wait_s == pytest.approx(1)
    taken = limit.take("a", 1)
    assert (taken.wait_s, taken.left, taken.full_s) == (0, 0, pytest.approx(60))


def test_the_limit_remembers_a_bounded_number_of_keys() -> None:
    limit = KeyedLimit(1, keys_max=3)
    for key in "abcd":
        assert limit.take(key, 0).wait_s == 0
    assert limit.take("d", 0).wait_s > 0
    assert limit.take("a", 0).wait_s == 0, "it was forgotten"


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "key"),
    [
        ("10.1.2.3", "9.9.9.9", 0, "10.1.2.3"),
        ("10.1.2.3", "6.6.6.6, 9.9.9.9", 1, "9.9.9.9"),
        ("10.1.2.3", "6.6.6.6, 9.9.9.9, 8.8.8.8", 2, "9.9.9.9"),
        ("10.1.2.3", "9.9.9.9", 5, "9.9.9.9"),
        ("10.1.2.3", None, 1, "10.1.2.3"),
        ("2001:db8:1:2:3::4", None, 0, "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", None, 0, "10.0.0.1"),
        ("fe80::1%eth0", None, 0, "fe80::/64"),
        (None, None, 0, ""),
        ("x" * 500, None, 0, "x" * 64),
    ],
)
def test_what_an_attempt_counts_for(
    peer: str | None, forwarded: str | None, proxies: int, key: str
) -> None:
    assert limit_key(peer, forwarded, proxies_trusted=proxies) == key
