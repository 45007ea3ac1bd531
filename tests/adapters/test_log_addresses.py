"""No player's address is written into a log."""

from __future__ import annotations

import json
import logging

import pytest

from gameserver.adapters.client_address import network
from gameserver.adapters.json_log import JsonFormatter


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1234:5678::9", "2001:db8:1234::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("2001:db8:1234:5678::/64", "2001:db8:1234::/48"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("local", "local"),
        ("Zebediah", "?"),
        ("", "?"),
    ],
)
def test_an_address_is_cut_to_its_network(address: str, shown: str) -> None:
    assert network(address) == shown


def test_every_line_is_cut() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "failed", (), None)
    record.remote = "203.0.113.77"
    line = JsonFormatter("gameserver").format(record)
    assert json.loads(line)["remote"] == "203.0.113.0/24"
    assert "203.0.113.77" not in line
