"""The ways to play the arena."""

from __future__ import annotations

from collections.abc import Mapping

from gameserver.game.contract import Bots, Mode
from gameserver.game.matchmaking import FreeSeats, Ready, Rules, Skill

MODES: Mapping[str, Mode] = {
    "standard": Mode(
        players_max=8,
        title="Three minutes or 15 kills",
        options={"map": "court", "seconds": 180, "kills": 15, "pickups": 1},
        choices={
            "map": ("court", "box", "field"),
            "seconds": (60, 180, 300),
            "kills": (5, 15, 30, 0),
            "pickups": (0, 1),
        },
        matchmaking=Rules(
            team_size=8,
            team_size_min=2,
            fill_s=5,
            party_max=4,
            skill=Skill(window=200, widen_per_s=20, window_max=2000),
            free_seats=FreeSeats.BACKFILL,
        ),
    ),
    "duel": Mode(
        players_max=2,
        title="Two, a minute or 5 kills",
        options={"map": "box", "seconds": 60, "kills": 5, "pickups": 0},
        matchmaking=Rules(
            teams=2,
            team_size=1,
            skill=Skill(window=200, widen_per_s=20, window_max=2000),
            ready=Ready(within_s=15, penalty_s=10),
        ),
    ),
    "crowd": Mode(
        players_max=64,
        title="64 fighters, 90 seconds",
        options={"map": "field", "seconds": 90, "kills": 0, "pickups": 1},
    ),
    "quick": Mode(
        players_max=8,
        title="15 seconds or 5 kills",
        options={"map": "box", "seconds": 15, "kills": 5, "pickups": 0},
    ),
    "practice": Mode(
        players_max=8,
        title="With bots, two minutes or 10 kills",
        options={"map": "court", "seconds": 120, "kills": 10, "pickups": 1},
        bots=Bots(seats=4, wait_ms=2_000),
        pauses=3,
        rematch_ms=20_000,
        join_until_ms=90_000,
    ),
    "bench": Mode(
        players_max=8,
        title="Endless, for measuring",
        options={"map": "box", "seconds": 0, "kills": 0, "pickups": 0},
    ),
}
