"""How long it takes to be matched, told from recent matches of the queue, by skill band."""

from __future__ import annotations

from collections import deque

import msgspec

from gameserver.matchmaking import Estimate

REMEMBERED = 64
"""Recent tickets of a band: old news of a busy band is no news."""
ENOUGH = 5
BANDS_MAX = 64
BAND_WIDTH = 200.0


class Notes(msgspec.Struct, kw_only=True):
    """What the master of a queue leaves for its successor, and for estimates on all nodes."""

    all: Estimate | None = None
    bands: dict[int, Estimate] = {}


class Estimator:
    """``matched`` for every ticket; bands are ``BAND_WIDTH`` wide."""

    def __init__(self, earlier: Notes) -> None:
        self._earlier = earlier
        self._all: deque[float] = deque(maxlen=4 * REMEMBERED)
        self._bands: dict[int, deque[float]] = {}

    def matched(self, skill: float, waited_s: float) -> None:
        """A ticket of this skill was matched after so long."""
        self._all.append(waited_s)
        band = band_of(skill)
        if band not in self._bands and len(self._bands) >= BANDS_MAX:
            self._bands.pop(next(iter(self._bands)))
        self._bands.setdefault(band, deque(maxlen=REMEMBERED)).append(waited_s)

    def notes(self) -> Notes:
        """The newest knowledge; what an earlier master knew where there is no newer."""
        bands = dict(self._earlier.bands)
        for band, waits in self._bands.items():
            if len(waits) >= ENOUGH or band not in bands:
                bands[band] = _estimate(waits)
        kept = dict(sorted(bands.items())[-BANDS_MAX:])
        return Notes(all=_estimate(self._all) if self._all else self._earlier.all, bands=kept)


def band_of(skill: float) -> int:
    """The lower end of the band, as a whole number."""
    return int(skill // BAND_WIDTH * BAND_WIDTH)


def expected(notes: Notes, skill: float) -> Estimate | None:
    """For a player of this skill: that of the band, else that of the queue; ``None`` before the
    first match."""
    found = notes.bands.get(band_of(skill))
    return found if found is not None and found.count >= ENOUGH else notes.all


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Notes).decode


def encode(notes: Notes) -> bytes:
    return _encode(notes)


def decode(encoded: bytes) -> Notes:
    """Of another version: nothing is known."""
    try:
        return _decode(encoded) if encoded else Notes()
    except msgspec.DecodeError:
        return Notes()


def _estimate(waits: deque[float]) -> Estimate:
    ordered = sorted(waits)
    last = len(ordered) - 1
    return Estimate(
        len(ordered), round(ordered[last // 2], 1), round(ordered[int(last * 0.9 + 0.5)], 1)
    )
