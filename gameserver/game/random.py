"""The randomness of a match: SplitMix64, whose whole state is one whole number.

A checkpoint keeps that number, so a match that continues on another machine goes on with the very
numbers it would have drawn here. Python's own generator would need 2,500 bytes for the same.

Source: G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014, with the constants of S. Vigna's public-domain ``splitmix64.c``. Not for secrets that
someone may want to guess: who sees one full output knows all that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_UNIT = 2.0**-53


class SeededRandom:
    """Implements ``contract.Random``. ``state``: from 0 to 2^64-1; larger seeds are cut."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state & _MASK

    def bits(self) -> int:
        """64 random bits: every other method draws from these."""
        self.state = z = (self.state + _STEP) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def below(self, bound: int) -> int:
        """A whole number from 0 to ``bound - 1``, each equally likely; ``bound`` is 1 to 2^64.

        Takes the upper half of a product and refuses the few draws that would favour some numbers:
        D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 2019.
        """
        if not 1 <= bound <= 2**64:
            raise ValueError(f"bound must be from 1 to 2^64, not {bound}")
        product = self.bits() * bound
        if product & _MASK < bound:
            refused_below = 2**64 % bound
            while product & _MASK < refused_below:
                product = self.bits() * bound
        return product >> 64

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        if low > high:
            raise ValueError(f"low must not be above high: {low} > {high}")
        return low + self.below(high - low + 1)

    def unit(self) -> float:
        """A number from 0 up to, but not including, 1: a multiple of 2^-53."""
        return (self.bits() >> 11) * _UNIT

    def choice(self, items: Sequence[Any]) -> Any:
        """One of ``items``, each equally likely; ``ValueError`` if there is none."""
        if not items:
            raise ValueError("cannot choose from no items")
        return items[self.below(len(items))]

    def shuffle(self, items: list[Any]) -> None:
        """Put ``items`` in a random order, in place (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
