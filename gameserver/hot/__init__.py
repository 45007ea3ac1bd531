"""The hot path: what runs for every player at every tick.

Compiled where there was a C compiler at installation (``_fast``, ``_beat``), else in Python
(``plain``, ``plain_beat``); ``COMPILED`` says which. Both mean the same, and the same tests run
over both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameserver.hot.plain import Given, Line, Member, acknowledge, collect, spread
from gameserver.hot.plain_beat import Beat, step_all

COMPILED = False
if not TYPE_CHECKING:
    try:
        # The first is built on the second: where it is there, both are.
        from gameserver.hot._beat import Beat, step_all
        from gameserver.hot._fast import Given, Line, Member, acknowledge, collect, spread

        COMPILED = True
    except ImportError:
        pass

__all__ = [
    "COMPILED",
    "Beat",
    "Given",
    "Line",
    "Member",
    "acknowledge",
    "collect",
    "spread",
    "step_all",
]
