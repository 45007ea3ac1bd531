"""Plays a game by itself, badly and at length, to find what would go wrong on a server::

    def test_my_game():
        check(MyGame)

Random players join, leave, come back and send everything the ``Input`` type allows. The same
script is played three times: once more to see that the game is deterministic, and once with the
state encoded and decoded between steps, into a fresh instance of the game, as a failover does.
All three histories must be the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from gameserver.game import packed
from gameserver.game.contract import (
    AnyGame,
    LeaveReason,
    Mode,
    Player,
    Refused,
    Setup,
    Standing,
)
from gameserver.game.random import SeededRandom
from gameserver.game.random_input import CannotGenerate, input_maker
from gameserver.game.scrutiny import Scrutiny
from gameserver.game.step import StepTick
from gameserver.game.validate import problems
from gameserver.game.view_schema import tables
from gameserver.ids import PlayerId

EVENT_BYTES_MAX = 60_000
"""Of an event's data: leaves room for the rest of a record (64 KiB)."""

LOOK_EVERY = 16
"""Steps between two looks at what is slow to check: views per player, purity, secrets."""

MakeInput = Callable[[SeededRandom], Any]
Secrets = Callable[[Any, Player, SeededRandom], None]

_encode = packed.encode
_encode_json = msgspec.json.Encoder().encode
_SIGNALS: tuple[Any, ...] = (None, 0, "", "end", [], {}, {"op": "end"}, {"op": None}, {"op": []})


class Broken(AssertionError):
    """The game does what no game may do; the message says what, and at which step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check has seen. Bytes are those of msgpack; the largest view is a full one.
    ``tables``: the fields of the view that are sent entity by entity."""

    game: str
    mode: str
    steps: int
    inputs: int
    events: int
    matches_ended: int
    view_bytes_max: int
    state_bytes_max: int
    tables: frozenset[str]
    steps_per_s: float | None


class Given(NamedTuple):
    """Implements ``contract.PlayerInput``."""

    player_id: PlayerId
    seat: int
    seq: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    game: type[AnyGame]
    mode_name: str
    mode: Mode
    seed: int
    steps: int
    players: int
    view_bytes_max: int
    state_bytes_max: int
    make_input: MakeInput
    secrets: Secrets | None
    timer: Callable[[], float] | None


def check(
    game: type[AnyGame],
    *,
    seed: int = 1,
    steps: int = 1_000,
    players: int | None = None,
    mode: str | None = None,
    view_bytes_max: int = 65_536,
    state_bytes_max: int = 262_144,
    make_input: MakeInput | None = None,
    secrets: Secrets | None = None,
    timer: Callable[[], float] | None = None,
) -> Report:
    """Play ``steps`` steps three times over; raises ``Broken`` at the first thing that is wrong.

    ``players``: how many at most (default: the mode's maximum, up to 16). ``mode``: default the
    first. ``make_input``: for an ``Input`` that cannot be guessed from its type. ``secrets(state,
    player, random)`` changes in place what only ``player`` may know into something as possible:
    everyone else must see exactly the same as before. ``timer`` (``time.perf_counter``) adds the
    speed of ``step`` to the report. ``view_bytes_max`` and ``state_bytes_max``: larger ones are
    wrong, too.

    Raises ``ValueError`` for a mode that there is not, ``CannotGenerate`` for an ``Input`` that
    cannot be guessed.
    """
    wrong = problems(game)
    if wrong:
        raise Broken(f"{game.__name__} cannot be played: " + "; ".join(wrong))
    mode_name = mode if mode is not None else next(iter(game.modes))
    if mode_name not in game.modes:
        raise ValueError(f"mode {mode_name!r} is none of {', '.join(game.modes)}")
    chosen = game.modes[mode_name]
    plan = Plan(
        game=game,
        mode_name=mode_name,
        mode=chosen,
        seed=seed,
        steps=steps,
        players=min(chosen.players_max, players or 16),
        view_bytes_max=view_bytes_max,
        state_bytes_max=state_bytes_max,
        make_input=make_input or input_maker(game.Input),
        secrets=secrets,
        timer=timer,
    )
    first = Play(plan, looks=True)
    first.run()
    again = Play(plan)
    again.run()
    _same(first, again, "is not deterministic: the same inputs gave another history")
    copied = Play(plan, copies=True)
    copied.run()
    _same(
        first,
        copied,
        "goes on differently from a decoded copy of its state: something is kept outside of it "
        "(on self, in a module), or one object stands in two places of it",
    )
    return first.report()


def _same(first: Play, other: Play, sentence: str) -> None:
    for number, (left, right) in enumerate(zip(first.history, other.history, strict=True)):
        if left != right:
            raise Broken(f"step {number}: {first.plan.game.__name__} {sentence}")


class Play:
    """One run of the script. ``looks``: check everything; ``copies``: fail over now and then."""

    def __init__(self, plan: Plan, *, looks: bool = False, copies: bool = False) -> None:
        self.plan = plan
        self.looks = looks
        self.history: list[bytes] = []
        self._script = SeededRandom(plan.seed)
        self._copying = SeededRandom(plan.seed + 1) if copies else None
        self._inputs = self._events = self._ended = self._state_bytes = 0
        self._steps_s = 0.0
        self._scrutiny = Scrutiny(self)
        self._begin()

    def _begin(self) -> None:
        """A new match, with nobody in it."""
        plan = self.plan
        self.game: AnyGame = plan.game()
        self.random = SeededRandom(self._script.bits())
        self.tick = StepTick.of(self.game, self.random)
        self.number = self.time_ms = self._seq = 0
        self.seated: dict[int, Player] = {}
        self.known: set[PlayerId] = set()
        self.state = self.call(
            "start",
            Setup(
                mode=plan.mode_name,
                players_max=plan.mode.players_max,
                options=plan.mode.options,
                random=self.random,
            ),
        )
        self.require(isinstance(self.state, plan.game.State), "start() must return a State")

    def run(self) -> None:
        for _ in range(self.plan.steps):
            self._step()
            if self.tick.ended is not None:
                self._ended += 1
                self._begin()

    def report(self) -> Report:
        return Report(
            game=self.game.name,
            mode=self.plan.mode_name,
            steps=self.plan.steps,
            inputs=self._inputs,
            events=self._events,
            matches_ended=self._ended,
            view_bytes_max=self._scrutiny.view_bytes,
            state_bytes_max=self._state_bytes,
            tables=tables(self.plan.game.View),
            steps_per_s=self.plan.steps / self._steps_s if self._steps_s else None,
        )

    def call(self, method: str, *given: Any) -> Any:
        """Let the game do it. Raises ``Refused``; ``Broken`` for anything else that it raises."""
        try:
            return getattr(self.game, method)(*given)
        except Refused:
            raise
        except Exception as error:  # the game may raise anything: that is what is looked for
            raise Broken(
                f"step {len(self.history)}: {method}() raised {error!r}, given {given[1:]!r:.400}"
            ) from error

    def decode(self, encoded: bytes) -> Any:
        """A state. Raises ``msgspec.ValidationError``."""
        return packed.decode(encoded, self.plan.game.State)

    def require(self, holds: bool, sentence: str) -> None:
        """Raises ``Broken`` where it does not."""
        if not holds:
            raise Broken(f"step {len(self.history)}: {sentence}")

    # ── one step ─────────────────────────────────────────────────────────────────────────────

    def _step(self) -> None:
        if self._copying is not None and self._copying.below(8) == 0:
            self._fail_over()
        inputs = self._advance()
        self.tick.reset(self.number, self.time_ms)
        self._come_and_go()
        # Who has left takes the inputs not yet stepped along: the contract promises it.
        here = {player.id for player in self.seated.values()}
        inputs = [given for given in inputs if given.player_id in here]
        timer = self.plan.timer
        started = timer() if timer is not None and self.looks else 0.0
        if self.tick.ended is None:
            self.call("step", self.state, inputs, self.tick)
        if timer is not None and self.looks:
            self._steps_s += timer() - started
        self.number += 1
        self._inputs += len(inputs)
        said = [(emitted.kind, emitted.player_id, emitted.data()) for emitted in self.tick.take()]
        self._events += len(said)
        for kind, _, data in said:
            self.require(
                len(_encode_json(data)) <= EVENT_BYTES_MAX,
                f"the event {kind!r} takes more than {EVENT_BYTES_MAX} bytes",
            )
        if self.game.tick_rate == 0 and self.tick.ended is None:
            wake = self.call("wake_at", self.state)
            self.require(
                wake is None or wake > self.time_ms,
                f"wake_at() says {wake} after the step at {self.time_ms} ms: a step must move it "
                "on, or the match would never rest",
            )
        state = _encode(self.state)
        view = self._scrutiny.encoded_for_all(self.state)
        self._state_bytes = max(self._state_bytes, len(state))
        self.require(
            len(state) <= self.plan.state_bytes_max,
            f"the state takes {len(state)} bytes; the limit is {self.plan.state_bytes_max}",
        )
        self.history.append(
            blake2b(
                _encode((state, self.random.state, view, said, self._standings())), digest_size=16
            ).digest()
        )
        if self.looks and (len(self.history) % LOOK_EVERY == 0 or self.tick.ended is not None):
            self._scrutiny.look(state)

    def _advance(self) -> Sequence[Given]:
        """Move the clock to the next step, and say what arrived until then."""
        if self.game.tick_rate:
            self.time_ms = self.number * 1000 // self.game.tick_rate
        else:
            wake = self.call("wake_at", self.state)
            next_ms = self.time_ms + self._script.between(1, 5_000)
            if wake is not None and wake <= next_ms:
                self.time_ms = max(self.time_ms, wake)
                return ()
            self.time_ms = next_ms
        inputs = []
        for seat, player in self.seated.items():
            for _ in range(self._script.choice((0, 1, 1, 1, 3))):
                self._seq += 1
                try:
                    data = self.plan.make_input(self._script)
                except CannotGenerate as error:
                    raise Broken(f"{error}; give make_input to check()") from None
                inputs.append(Given(player.id, seat, self._seq, data))
        return inputs

    def _come_and_go(self) -> None:
        script = self._script
        if len(self.seated) < self.plan.players and script.below(6) == 0:
            self._join()
        if self.seated and script.below(60) == 0:
            seat = script.choice(sorted(self.seated))
            reason = script.choice(list(LeaveReason))
            self.call("leave", self.state, self.seated.pop(seat), reason, self.tick)
        if script.below(50) == 0:
            answer = self.call("signal", self.state, script.choice(_SIGNALS), self.tick)
            _encode_json(answer)

    def _join(self) -> None:
        seated = {player.id for player in self.seated.values()}
        everyone = [PlayerId(f"player-{number}") for number in range(2 * self.plan.players)]
        player_id = self._script.choice([one for one in everyone if one not in seated])
        seat = min(set(range(len(self.seated) + 1)) - self.seated.keys())
        player = Player(id=player_id, name=f"Player {seat} é", seat=seat)
        before = _encode(self.state)
        try:
            self.call("join", self.state, player, self.tick)
        except Refused:
            self.require(_encode(self.state) == before, "join() refused, but changed the state")
            return
        self.seated[seat] = player
        self.known.add(player_id)

    def _fail_over(self) -> None:
        """Go on with a decoded copy of the state in a new instance of the game."""
        encoded = _encode(self.state)
        try:
            copy = self.decode(encoded)
        except msgspec.ValidationError as error:
            raise Broken(
                f"step {len(self.history)}: the state holds what its type does not allow: {error}"
            ) from error
        self.require(_encode(copy) == encoded, "the state changes when it is encoded and decoded")
        ended = self.tick.ended
        self.game, self.state = self.plan.game(), copy
        self.random = SeededRandom(self.random.state)
        self.tick = StepTick.of(self.game, self.random)
        self.tick.ended = ended

    def _standings(self) -> Any:
        ended = self.tick.ended
        if ended is None:
            return None
        kind = self.game.Result or object
        fits = ended.result is None or isinstance(ended.result, kind)
        self.require(fits, "the result of tick.end() must be a Result")
        strangers = [one for one in ended.standings if one.player_id not in self.known]
        self.require(not strangers, f"{strangers} never took a seat, but have a standing")
        result = None if ended.result is None else msgspec.to_builtins(ended.result)
        self.require(
            result is None or (isinstance(result, dict) and bool(_encode_json(result))),
            "the result of tick.end() must be a Struct that is not array_like",
        )
        standings: tuple[Standing, ...] = ended.standings
        return standings, result
