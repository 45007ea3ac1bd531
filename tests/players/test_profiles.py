"""Profiles through the cache: made lazily, changed by version, sealed where they rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.errors import TableUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.players.port import BadChange, Conflict, Profile, ProfileChange, first_name
from gameserver.players.profiles import Profiles
from gameserver.ports import Identity
from tests.fakes.clock import EPOCH_MS, SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_tables import MemoryProfiles

ANN = PlayerId("ann")


def identity(player: PlayerId = ANN, name: str = "Ann") -> Identity:
    return Identity(player_id=player, name=name, groups=(), expires_ms=EPOCH_MS, token_use="access")


class Wall:
    now_ms = EPOCH_MS

    def wall_ms(self) -> int:
        return self.now_ms


class ReversingSealer:
    """Reversed text, bound to field and context."""

    async def seal(self, field: str, plaintext: str, context: Mapping[str, str]) -> bytes:
        return f"{field}|{sorted(context.items())}|{plaintext[::-1]}".encode()

    async def open(self, field: str, sealed: bytes, context: Mapping[str, str]) -> str:
        start = f"{field}|{sorted(context.items())}|"
        if not sealed.decode().startswith(start):
            raise ValueError("sealed for something else")
        return sealed.decode().removeprefix(start)[::-1]


class World:
    """Two nodes over one table."""

    def __init__(self) -> None:
        self.store, self.hub, self.wall = MemoryProfiles(), MemoryCacheHub(), Wall()
        self.a, self.b = [
            Profiles(
                self.store,
                SharedCache(
                    self.hub.store(), Config(), entropy=SeededEntropy(n), metrics=Metrics()
                ),
                ReversingSealer(),
                clock=self.wall,
                ttl_ms=60_000,
            )
            for n in range(2)
        ]


async def sees(node: Profiles, expected: object) -> None:
    """One push later."""
    async with asyncio.timeout(60):
        while await node.own(identity()) != expected:  # noqa: ASYNC110 (what ends it has no event)
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_profile_is_made_when_it_is_first_asked_for(world: World) -> None:
    assert await world.a.public(ANN) is None
    made = await world.a.own(identity())
    assert made == Profile(
        player_id=ANN,
        display_name="Ann",
        email=None,
        avatar="",
        settings={},
        version=1,
        created_ms=EPOCH_MS,
        updated_ms=EPOCH_MS,
    )
    assert await world.b.own(identity(name="Other")) == made
    shown = await world.b.public(ANN)
    assert msgspec.to_builtins(shown) == {"player_id": "ann", "display_name": "Ann", "avatar": ""}


async def test_nodes_that_make_it_at_the_same_time_agree(world: World) -> None:
    first, second = await asyncio.gather(
        world.a.own(identity(name="One")), world.b.own(identity(name="Two"))
    )
    assert first == second
    await world.a.ensure(identity())
    calls = world.store.calls
    await world.a.ensure(identity())
    await world.a.ensure(identity())
    assert world.store.calls <= calls + 1, "the cache knows"


async def test_a_change_is_seen_on_the_other_node(world: World) -> None:
    await world.a.own(identity())
    for _ in range(3):
        await world.b.own(identity())
    world.wall.now_ms += 5
    change = ProfileChange(display_name="Änne 🦊", email="ann@example.com", avatar="fox")
    changed = await world.a.change(identity(), change, version=1)
    assert isinstance(changed, Profile)
    assert (changed.display_name, changed.email, changed.version) == (
        "Änne 🦊",
        "ann@example.com",
        2,
    )
    assert (changed.created_ms, changed.updated_ms) == (EPOCH_MS, EPOCH_MS + 5)
    await sees(world.b, changed)
    without = await world.b.change(identity(), ProfileChange(email=None), version=2)
    assert isinstance(without, Profile)
    assert without.email is None and without.avatar == "fox"
    await sees(world.a, without)


async def test_a_change_of_an_older_version_is_a_conflict(world: World) -> None:
    await world.a.own(identity())
    change = ProfileChange(avatar="fox")
    answers = await asyncio.gather(
        *(node.change(identity(), change, version=1) for node in (world.a, world.b) * 3)
    )
    assert sum(isinstance(each, Profile) for each in answers) <= 6
    assert world.store.profiles[ANN].version == 2
    assert await world.b.change(identity(), change, version=1) == Conflict(2)
    assert await world.b.change(identity(), change, version=3) == Conflict(2)


async def test_settings_are_merged_within_their_bounds(world: World) -> None:
    profiles = world.a
    first = ProfileChange(settings={"sound": 0.5, "left.handed": True, "skin": "blue"})
    await profiles.change(identity(), first, version=1)
    second = ProfileChange(settings={"skin": None, "sound": 1})
    changed = await profiles.change(identity(), second, version=2)
    assert isinstance(changed, Profile)
    assert changed.settings == {"sound": 1, "left.handed": True}
    too_many = ProfileChange(settings={f"s{number}": 1 for number in range(63)})
    too_long = ProfileChange(settings={"s": "x" * 4_096})
    for change in (too_many, too_long):
        with pytest.raises(BadChange, match="settings hold"):
            await profiles.change(identity(), change, version=3)


async def test_neither_table_nor_cache_holds_sensitive_text(world: World) -> None:
    change = ProfileChange(display_name="Secret Name", email="secret@example.com")
    await world.a.change(identity(), change, version=1)
    await world.a.own(identity())
    [stored] = world.store.profiles.values()
    [(cached, _)] = world.hub.entries.values()
    for rests in (msgspec.msgpack.encode(stored), cached):
        assert b"secret" not in rests.lower()
        assert b"emaN terceS" in rests


async def test_an_unknown_outcome_does_not_leave_an_old_copy(world: World) -> None:
    await world.a.own(identity())
    await world.a.own(identity())
    world.store.down = True
    change = ProfileChange(avatar="fox")
    with pytest.raises(TableUnavailable):
        await world.a.change(identity(), change, version=1)
    world.store.down = False
    world.store.gate.clear()
    trying = asyncio.ensure_future(world.a.change(identity(), change, version=1))
    await asyncio.sleep(0)
    world.store.gate.set()
    assert isinstance(await trying, Profile)
    assert (await world.b.own(identity())).avatar == "fox"


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": ""},
        {"display_name": "x" * 33},
        {"display_name": " x"},
        {"display_name": "a\u202eb"},
        {"display_name": "a\nb"},
        {"display_name": None},
        {"avatar": "x" * 257},
        {"avatar": "\x00"},
        {"email": "nobody"},
        {"email": "a b@c"},
        {"email": "a@" + "x" * 254},
        {"settings": {"ä": 1}},
        {"settings": {"x": {}}},
        {"settings": {f"s{number}": 1 for number in range(65)}},
        {"version": 3},
    ],
)
def test_a_bad_change_is_refused(body: Any) -> None:
    with pytest.raises((msgspec.ValidationError, BadChange)):
        msgspec.convert(body, ProfileChange).check()


@pytest.mark.parametrize(
    ("given", "name"),
    [("Ann", "Ann"), ("", "player"), ("\u200b", "player"), ("x" * 64, "x" * 32), (" a\nb ", "ab")],
)
def test_the_first_name_follows_from_the_token(given: str, name: str) -> None:
    assert first_name(given) == name
