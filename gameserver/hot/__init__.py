"""The hot path: what runs for every player at every tick.

Compiled where there was a C compiler at installation (``_fast``), else in Python (``plain``);
``COMPILED`` says which. Both mean the same, and the same tests run over both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gameserver.hot.plain import (
        Beat,
        Given,
        Line,
        Member,
        acknowledge,
        collect,
        spread,
        step_all,
    )

    COMPILED: bool
else:
    try:
        from gameserver.hot._beat import Beat, step_all
        from gameserver.hot._fast import Given, Line, Member, acknowledge, collect, spread

        COMPILED = True
    except ImportError:
        from gameserver.hot.plain import (
            Beat,
            Given,
            Line,
            Member,
            acknowledge,
            collect,
            spread,
            step_all,
        )

        COMPILED = False

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
