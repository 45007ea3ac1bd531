"""Hashes of passwords: salted, slow, and never on the loop."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.adapters.passwords import WAITING_MAX, ScryptPasswords
from gameserver.cluster.host import NO_PASSWORD
from gameserver.errors import Unavailable


async def test_a_hash_fits_its_password_alone() -> None:
    passwords = ScryptPasswords()
    one, two = await passwords.hashed("sesame"), await passwords.hashed("sesame")
    assert one != two and "sesame" not in one
    assert one.startswith("scrypt$14$8$1$")
    assert await passwords.fits("sesame", one) and await passwords.fits("sesame", two)
    for wrong in ("", "Sesame", "sesame "):
        assert not await passwords.fits(wrong, one)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "sesame",
        "scrypt$14$8$1$AA",
        "scrypt$x$8$1$AA==$AA==",
        "scrypt$40$8$1$AA==$AA==",
        "md5$14$8$1$AA==$AA==",
        "scrypt$14$8$1$?$?",
    ],
)
async def test_what_is_no_hash_fits_nothing(stored: str) -> None:
    assert not await ScryptPasswords().fits("sesame", stored)


async def test_the_hash_of_no_password_costs_as_much_and_fits_nothing() -> None:
    assert not await ScryptPasswords().fits("", NO_PASSWORD)
    real = await ScryptPasswords().hashed("x")
    assert [len(part) for part in NO_PASSWORD.split("$")] == [len(p) for p in real.split("$")]


async def test_the_loop_goes_on_meanwhile_and_few_may_wait() -> None:
    passwords = ScryptPasswords()
    checks = [asyncio.ensure_future(passwords.hashed("x")) for _ in range(WAITING_MAX + 3)]
    turns = 0
    while not checks[0].done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    done = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(one) for one in done].count(Unavailable) == 3
