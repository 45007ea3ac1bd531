"""Arena: a top-down shooter in real time, and the example of a game with a tick rate.

    match: waits for two players ──► clock runs ──► first to `kills`, or time up ──► standings

All lengths are whole units: a tile of the map is 256, a fighter moves 44 a tick. Whole numbers are
the same on every machine, small on the wire and quick to compare, so a view sends what the rules
use. Three things to copy into your own real-time game:

* **An input is a step, a tick has one step.** Clients send one input a tick. A fighter stands where
  its player's inputs have led it, whenever they came, so that a client which applies them itself is
  never put right by a late packet. Where one is late the fighter goes on by the last, for half a
  second, in everybody's eyes; those steps are taken back when the late inputs come. Nobody gets
  ahead of time by more than ``EARLY_TICKS``, however many inputs are sent. A shot asked for by any
  of them is fired.
* **Bullets fly straight**, so a client is told once where, whither and when one started and moves
  it by itself: with deltas, a bullet costs 15 bytes in all instead of 10 a tick.
* **What never changes stands in a plain field** (``map``) and is therefore sent only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gameserver.game.contract import Game, LeaveReason, Player, Random, Setup, Tick
from gameserver.games.arena_maps import MAPS
from gameserver.games.arena_modes import MODES
from gameserver.games.arena_plain import TICK_RATE, end, place, view
from gameserver.games.arena_state import ArenaState, Body
from gameserver.games.arena_types import ArenaResult, ArenaView, Kill, Lead, Move
from gameserver.games.bots import ArenaBot

if TYPE_CHECKING:
    from gameserver.games.arena_plain import encode_view, step

    COMPILED: bool
else:
    try:
        from gameserver.games._arena import step
        from gameserver.games._arena_view import encode_view

        COMPILED = True
    except ImportError:
        from gameserver.games.arena_plain import encode_view, step

        COMPILED = False

BOT_TICKS = 4


class Arena(Game[ArenaState, Move, ArenaView]):
    """Options of a mode: ``map``; ``seconds`` and ``kills``, 0 for no limit; ``pickups`` 0 or 1."""

    name = "arena"
    version = 2
    tick_rate = TICK_RATE
    recorded = True
    spectate_delay_ms: ClassVar[int | None] = 0
    chat = True
    modes: ClassVar = MODES
    State: ClassVar = ArenaState
    Input: ClassVar = Move
    View: ClassVar = ArenaView
    Event: ClassVar = Kill | Lead
    Result: ClassVar = ArenaResult

    def start(self, setup: Setup) -> ArenaState:
        options = setup.options
        plan = MAPS[str(options["map"])]
        return ArenaState(
            map=str(options["map"]),
            seconds=int(options["seconds"]),
            kills=int(options["kills"]),
            bodies={},
            bullets={},
            pickups=[0] * len(plan.pickups) if options["pickups"] else [],
        )

    def join(self, state: ArenaState, player: Player, tick: Tick) -> None:
        body = Body(id=player.id)
        place(state, body, tick.number, tick.random)
        state.bodies[player.seat] = body

    def leave(self, state: ArenaState, player: Player, reason: LeaveReason, tick: Tick) -> None:
        if state.bodies.pop(player.seat, None) is None:
            return
        # The seat may be taken again at once: its bullets must not score for the next player.
        state.bullets = {
            key: bullet for key, bullet in state.bullets.items() if bullet.shot.seat != player.seat
        }
        if state.leader == player.id:
            state.leader = None

    # As they are, where they are compiled: a method around each would cost more than some of what
    # it does. `arena_plain` says what they do.
    step = staticmethod(step)
    encode_view = staticmethod(encode_view)

    def bot(self, state: ArenaState, player: Player, random: Random) -> Move | None:
        """Decides five times a second; in between it does the same again."""
        body = state.bodies.get(player.seat)
        if (state.now + player.seat) % BOT_TICKS:
            return None if body is None else body.move
        bot = ArenaBot(random.below(2**63), side=1 if player.seat % 2 else -1)
        return bot.decide(self.view(state), player.id, player.seat)

    def view(self, state: ArenaState) -> ArenaView:
        return view(state)

    def signal(self, state: ArenaState, message: Any, tick: Tick) -> Any:
        """``{"op": "end"}``, or ``{"op": "add_time", "seconds": 1 to 3600}``."""
        match message:
            case {"op": "end"}:
                end(state, tick, "signal")
            case {"op": "add_time", "seconds": int(seconds)} if 1 <= seconds <= 3600:
                if not state.ends_tick:
                    return {"error": "the clock has not begun"}
                state.ends_tick += seconds * TICK_RATE
            case _:
                return {"error": 'send {"op": "end"} or {"op": "add_time", "seconds": 1 to 3600}'}
        return {"ends_tick": state.ends_tick}
