"""Key events as matches state them: the bundled games, played by their bots, through the real
chronicle. A few matches of each mode are played; copies of them get ids and players of their own.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from gameserver.adapters.wall_clock import sortable_id
from gameserver.ids import MatchId
from gameserver.match.chronicle import Chronicle
from gameserver.match.unsealed import Unsealed
from gameserver.wire import event_record as wire
from tests.core.room import Room

BEGAN_MS = 1_795_000_000_000
BETWEEN_MS = 40
"""From one match's start to the next one's: over a thousand are under way at a time."""
PLAYERS = 100_000
"""Whom the seats of all matches are drawn from."""
SEEDS = 3
STEPS_MAX = 20_000

Mode = tuple[str, str, int]
"""Game, mode, players."""

MIXES: dict[str, Sequence[Mode]] = {
    "as played": (
        ("arena", "standard", 8),
        ("arena", "quick", 8),
        ("liars_dice", "standard", 6),
        ("liars_dice", "duel", 2),
        ("liars_dice", "blitz", 6),
    ),
    "short matches": (("arena", "quick", 8),),
}
"""One match of each in turn. ``crowd`` (64 in the arena) lies between the first three and takes
ten seconds to play."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a mix consists of."""

    matches: int
    events: int
    results: int
    bytes: int
    kinds: dict[str, int]


def play(game: str, mode: str, players: int, seed: int) -> list[wire.EventRecord]:
    """The records of one match, from its start to its end, of players ``p0``, ``p1``, …"""
    room = Room(game, mode, seed=seed)
    told = Chronicle(
        match_id=MatchId("m"),
        game=game,
        mode=mode,
        epoch=1,
        seq=0,
        entry_seq=0,
        keep=0,
        sealer=Unsealed(),
    )

    def state(kind: str, player: str | None, data: object) -> None:
        at_ms = BEGAN_MS + room.time_ms
        told.state(kind, player, msgspec.to_builtins(data), tick=room.number, at_ms=at_ms, at=0.0)

    started = wire.MatchStarted(players_max=players, seed=seed, node="node-1")
    state(wire.MATCH_STARTED, None, started)
    for seat in range(players):
        room.join(seat, bot=True)
        joined = wire.PlayerJoined(name=f"Player {seat}", seat=seat)
        state(wire.PLAYER_JOINED, f"p{seat}", joined)
    for _ in range(STEPS_MAX):
        room.step(*_decided(room))
        for emitted in room.events:
            state(emitted.kind, emitted.player_id, emitted.data())
        room.events.clear()
        if room.tick.ended is not None:
            break
    ended = room.tick.ended
    assert ended is not None, (game, mode, seed)
    places = [
        wire.Place(player=one.player_id, place=one.place, score=one.score)
        for one in ended.standings
    ]
    result = None if ended.result is None else msgspec.to_builtins(ended.result, str_keys=True)
    end = wire.MatchEnded(
        reason="finished",
        ticks=room.number,
        duration_ms=room.time_ms,
        standings=places,
        result=result,
    )
    state(wire.MATCH_ENDED, None, end)
    return [wire.decode_record(one.entry.record) for one in told.waiting()]


def _decided(room: Room) -> Iterator[tuple[int, msgspec.Struct]]:
    for seat, bot in room.bots.items():
        data = bot.decide(room.seen_by(seat), room.players[seat].id, seat)
        if data is not None:
            yield seat, data


def scripts(mix: str) -> list[list[wire.EventRecord]]:
    """The matches of a mix that all others are copies of."""
    return [play(*mode, seed=seed) for seed in range(11, 11 + SEEDS) for mode in MIXES[mix]]


def stream(mix: str, events_min: int, *, seed: int = 1) -> Iterator[bytes]:
    """At least ``events_min`` encoded records of whole matches, in the order of their times."""
    chance = random.Random(seed)
    templates = [_Template(script) for script in scripts(mix)]
    running: list[tuple[int, int, bytes]] = []
    told = 0
    for number in itertools.count():
        began = BEGAN_MS + number * BETWEEN_MS
        while running and running[0][0] < began:
            yield heapq.heappop(running)[2]
        if told >= events_min:
            break
        for at_ms, record in templates[number % len(templates)].copy(began, chance):
            heapq.heappush(running, (at_ms, told, record))
            told += 1
    while running:
        yield heapq.heappop(running)[2]


class _Template:
    """A match as one text in which its id, its players and the times are marked."""

    def __init__(self, script: Sequence[wire.EventRecord]) -> None:
        self._times = [one.at_ms - BEGAN_MS for one in script]
        joined = [one.player for one in script if one.kind == wire.PLAYER_JOINED]
        self._players = [player for player in joined if player is not None]
        text = b"\n".join(wire.encode_record(one) for one in script)
        text = text.replace(b"%", b"%%")
        text = re.sub(rb'"at_ms":\d+', b'"at_ms":%d', text)
        self._text = text.replace(b'"m"', b'"\0"').replace(b'"m/', b'"\0/')

    def copy(self, began_ms: int, chance: random.Random) -> Iterator[tuple[int, bytes]]:
        """The records of another match, which began then, with their times."""
        times = [began_ms + after for after in self._times]
        text = self._text % tuple(times)
        text = text.replace(b"\0", sortable_id(began_ms, chance.getrandbits(80)).encode())
        chosen = chance.sample(range(PLAYERS), len(self._players))
        for seat, number in zip(self._players, chosen, strict=True):
            text = text.replace(b'"%s"' % seat.encode(), b'"%s"' % player_id(number))
        return zip(times, text.split(b"\n"), strict=True)


@cache
def player_id(number: int) -> bytes:
    """As Amazon Cognito has them: a UUID."""
    return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4)).encode()


def shape(mix: str) -> Shape:
    """Of the matches that a mix is made of."""
    played = scripts(mix)
    records = [one for script in played for one in script]
    return Shape(
        matches=len(played),
        events=len(records),
        results=sum(len(one.data["standings"]) for one in records if one.kind == wire.MATCH_ENDED),
        bytes=sum(len(wire.encode_record(one)) for one in records),
        kinds=dict(Counter(one.kind for one in records).most_common()),
    )
