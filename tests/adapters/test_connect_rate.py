"""The token bucket per address."""

from __future__ import annotations

import pytest

from gameserver.adapters.connect_rate import ConnectRate, group_of


def test_a_burst_then_the_rate() -> None:
    rate = ConnectRate(3)
    assert [rate.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 1]
    assert rate.take("a", 100.2) == 1
    assert rate.take("a", 100.4) == 0
    assert rate.take("a", 100.5) == 1


def test_no_more_than_a_second_is_saved_up() -> None:
    rate = ConnectRate(2)
    rate.take("a", 0.0)
    assert [rate.take("a", 1000.0) for _ in range(3)] == [0, 0, 1]


def test_addresses_do_not_share() -> None:
    rate = ConnectRate(1)
    assert rate.take("a", 0.0) == 0
    assert rate.take("b", 0.0) == 0
    assert rate.take("a", 0.0) > 0


def test_the_map_is_bounded_and_forgets_the_longest_unseen() -> None:
    rate = ConnectRate(1, addresses_max=3)
    for address in "abc":
        rate.take(address, 0.0)
    rate.take("a", 0.0)
    rate.take("d", 0.0)
    assert len(rate) == 3
    assert rate.take("a", 0.0) > 0  # still remembered
    assert rate.take("b", 0.0) == 0  # forgotten


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("local", "local", True),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, together: bool) -> None:
    assert (group_of(one) == group_of(other)) is together
