"""Replays over HTTP: who may watch, what is streamed, and that only one is shown at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import msgspec
import pytest

from gameserver.ids import PlayerId
from gameserver.ports import Identity
from gameserver.replay import theatre
from gameserver.wire import to_client
from gameserver.wire.codec import Format, decode_server
from gameserver.wire.event_record import Chunk
from tests.adapters.http_world import BEARER, LONG_MS, World, serving
from tests.replay.played import GAMES, RecordedArena, played
from tests.sim.loop import run

ARENA = run(played(3, "arena", "quick", failovers=1, seconds=5))
DICE = run(played(4, "liars_dice", "blitz", failovers=0, seconds=5))


@dataclass
class Watching(World):
    """The bearer is ``viewer``."""

    games: dict[str, Any] = field(default_factory=lambda: dict(GAMES))
    viewer: str = "ann"
    groups: tuple[str, ...] = ()
    token_use: str = "access"

    async def verify(self, token: str) -> Identity:
        await super().verify(token)
        return Identity(
            player_id=PlayerId(self.viewer),
            name=self.viewer,
            groups=self.groups,
            expires_ms=LONG_MS,
            token_use=self.token_use,
        )


def path(chunks: list[Chunk], tail: str = "") -> str:
    return f"/v1/replays/{chunks[0].match}{tail}"


@asynccontextmanager
async def watching(world: World, **config: Any) -> AsyncIterator[Any]:
    async with serving(world, **config) as ask:
        yield ask


async def frames(ask: Any, where: str) -> list[Any]:
    """The messages of a stream."""
    async with ask.session.get(ask.url + where, headers=BEARER) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/octet-stream"
        data = await answer.read()
    found, at = [], 0
    while at < len(data):
        assert data[at] == 0x82
        length, header = data[at + 1], 2
        if length == 126:
            length, header = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, header = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        payload = data[at + header : at + header + length]
        found.append(decode_server(payload, Format.MSGPACK))
        at += header + length
    return found


async def test_a_match_is_described_and_streamed() -> None:
    world = Watching()
    world.recordings.put(ARENA)
    async with watching(world) as ask:
        told, _ = await ask("GET", path(ARENA), headers=BEARER)
        assert (told["game"], told["mode"], told["tick_rate"]) == ("arena", "quick", 20)
        assert told["ended"] and told["ticks"] == ARENA[-1].end_tick
        assert [one["chunk"] for one in told["sections"]] == [one.number for one in ARENA]
        assert len({one["epoch"] for one in told["sections"]}) == 2
        messages = await frames(ask, path(ARENA, "/frames"))
    joined, *shown, left = messages
    assert isinstance(joined, to_client.Joined) and joined.seat == -1
    assert isinstance(left, to_client.Left) and left.reason == "ended"
    pictures = [one for one in shown if isinstance(one, to_client.Snapshot | to_client.Delta)]
    assert [one.tick for one in pictures] == list(range(told["ticks"] + 1))
    for before, one in pairwise(pictures):
        if isinstance(one, to_client.Delta):
            assert (one.base, one.epoch) == (before.tick, before.epoch)
    whole = [one.tick for one in pictures if isinstance(one, to_client.Snapshot)]
    assert max(b - a for a, b in pairwise(whole)) <= 100
    events = [one for one in shown if isinstance(one, to_client.Event)]
    assert [one.seq for one in events] == list(range(1, ARENA[-1].event_seq + 1))
    assert events[-1].kind == "match_ended"


async def test_nobody_watches_without_a_token() -> None:
    world = Watching()
    world.recordings.put(ARENA)
    async with watching(world) as ask:
        for tail in ("", "/frames"):
            problem, _ = await ask("GET", path(ARENA, tail), expect=401)
            assert problem["code"] == "token_missing"


async def test_hidden_hands_are_for_who_held_them() -> None:
    world = Watching(viewer="stranger")
    world.recordings.put(DICE)
    async with watching(world) as ask:
        for tail in ("", "/frames"):
            problem, _ = await ask("GET", path(DICE, tail), expect=403, headers=BEARER)
            assert problem["code"] == "not_a_player"
        world.viewer = "p1"
        own = await frames(ask, path(DICE, "/frames"))
        problem, _ = await ask("GET", path(DICE, "/frames?seen_by=p2"), expect=403, headers=BEARER)
        assert problem["code"] == "not_an_operator"
        world.viewer, world.groups = "olga", ("gameserver-admins",)
        world.token_use = "id"
        problem, _ = await ask("GET", path(DICE), expect=403, headers=BEARER)
        assert problem["code"] == "not_a_player", "an ID token makes nobody an operator"
        world.token_use = "access"
        public = await frames(ask, path(DICE, "/frames"))
        as_player = await frames(ask, path(DICE, "/frames?seen_by=p1"))

    def hands(messages: list[Any]) -> list[Any]:
        views = [msgspec.msgpack.decode(one.view) for one in messages if hasattr(one, "view")]
        changed = [one.fields for one in messages if isinstance(one, to_client.Delta)]
        seen = [msgspec.msgpack.decode(one["own"]) for one in changed if "own" in one]
        return [one for one in [*(view["own"] for view in views), *seen] if one]

    assert hands(own) and hands(own) == hands(as_player)
    assert hands(public) == []


async def test_what_cannot_be_shown() -> None:
    world = Watching()
    running = [msgspec.structs.replace(one, match="running", chunk="") for one in ARENA[:-1]]
    world.recordings.put(running)
    world.recordings.put(ARENA)
    world.recordings.stored["torn"] = ARENA[1:]

    async def refused(where: str, status: int, ask: Any) -> str:
        codes = set()
        for tail in ("", "/frames"):
            problem, _ = await ask("GET", where + tail, expect=status, headers=BEARER)
            codes.add(problem["code"])
        [code] = codes
        return str(code)

    async with watching(world) as ask:
        assert await refused("/v1/replays/never", 404, ask) == "no_recording"
        assert await refused("/v1/replays/NEVER", 404, ask) == "not_found"
        assert await refused("/v1/replays/running", 409, ask) == "not_over"
        assert await refused("/v1/replays/torn", 422, ask) == "bad_recording"
        world.games.pop("arena")
        assert await refused(path(ARENA), 422, ask) == "game_not_installed"
        world.recordings.down = True
        assert await refused(path(ARENA), 503, ask) == "unavailable"
    world = Watching(groups=("gameserver-admins",))
    world.recordings.put(running)
    async with watching(world, replay_ticks_max=20) as ask:
        assert await refused("/v1/replays/running", 422, ask) == "replay_too_long"
    async with watching(world) as ask:
        messages = await frames(ask, "/v1/replays/running/frames")
        assert messages[-1].reason == "ended", "operators see a match that is still played"


class Other(RecordedArena):
    version = 3

    def step(self, state: Any, inputs: Any, tick: Any) -> None:
        super().step(state, inputs, tick)
        for body in state.bodies.values():
            body.kills += tick.number == 40


async def test_a_replay_that_differs_says_so() -> None:
    world = Watching(games={"arena": Other()})
    world.recordings.put(ARENA)
    world.recordings.stored["cut"] = ARENA[:3] + ARENA[4:]
    async with watching(world) as ask:
        told, _ = await ask("GET", path(ARENA), headers=BEARER)
        assert (told["version"], told["versions"]) == (3, [2])
        messages = await frames(ask, path(ARENA, "/frames"))
        assert messages[-1].reason == "differs"
        world.games["arena"] = GAMES["arena"]
        world.groups = ("gameserver-admins",)
        messages = await frames(ask, "/v1/replays/cut/frames")
        assert messages[-1].reason == "cut"


async def test_one_at_a_time_and_the_next_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theatre, "SLICE_S", 0.0)
    monkeypatch.setattr(theatre, "PAUSE_S", 0.01)
    monkeypatch.setattr(theatre, "PART_BYTES", 1)
    world = Watching()
    world.recordings.put(ARENA)
    async with watching(world) as ask:
        first = await ask.session.get(ask.url + path(ARENA, "/frames"), headers=BEARER)
        await first.content.readany()
        problem, headers = await ask("GET", path(ARENA, "/frames"), expect=429, headers=BEARER)
        assert (problem["code"], headers["Retry-After"]) == ("busy", "5")
        await ask("GET", path(ARENA), expect=429, headers=BEARER)
        first.close()  # Who goes away leaves the place to others.
        for _ in range(200):
            async with ask.session.get(ask.url + path(ARENA), headers=BEARER) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.01)
        pytest.fail("the place stays taken")


async def test_a_replay_that_takes_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theatre, "SLICE_S", 0.0)
    monkeypatch.setattr(theatre, "PAUSE_S", 0.05)
    world = Watching()
    world.recordings.put(ARENA)
    async with watching(world, replay_ms=300) as ask:
        problem, _ = await ask("GET", path(ARENA, "/frames"), expect=503, headers=BEARER)
        assert problem["code"] == "timeout"
        monkeypatch.setattr(theatre, "PART_BYTES", 1)
        answer = await ask.session.get(ask.url + path(ARENA, "/frames"), headers=BEARER)
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
