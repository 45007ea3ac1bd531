"""What players say to each other: limits, teams, muting, moderation, and over nodes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from gameserver.errors import ConfigError
from gameserver.game.contract import LeaveReason, Player
from gameserver.moderation import Allow, Refuse, Replace, Spoken, Verdict, load
from gameserver.ports import SeatHandle
from gameserver.wire import from_client, to_client
from tests.cluster.town import Town
from tests.match.games import GAMES, Count, Do, State
from tests.match.house import House, Watcher, in_virtual_time


class Talk(Count):
    name = "talk"
    chat = True

    def team_of(self, state: State, player: Player) -> str | None:
        return {0: "red", 1: "blue"}.get(player.seat % 3)


PLAYED: dict[str, Any] = {**GAMES, "talk": Talk()}


def say(handle: SeatHandle, text: str, *, ref: int = 1, team: bool = False) -> None:
    handle.say(from_client.Chat(ref, text, team))


def heard(watcher: Watcher) -> list[str]:
    return [one.message.text for one in watcher.messages if isinstance(one.message, to_client.Said)]


def errors(watcher: Watcher) -> list[tuple[str, int]]:
    told = [one.message for one in watcher.messages]
    return [(str(one.code), one.ref) for one in told if isinstance(one, to_client.Error)]


@in_virtual_time
async def test_all_hear_a_line_once_it_is_committed() -> None:
    async with House(games=PLAYED) as house:
        first, a = await house.join("a", "talk")
        _, b = await house.join("b", "talk")
        say(first.handle, " hi\x07\u202ethere ")
        await asyncio.sleep(0.1)
        assert heard(a) == heard(b) == ["hi there"]
        house.store.down = True
        say(first.handle, "lost?")
        await asyncio.sleep(0.5)
        assert heard(b) == ["hi there"]
        house.store.down = False
        await asyncio.sleep(2)
        assert heard(a) == heard(b) == ["hi there", "lost?"]
        assert house.metrics.chat_lines == 2


@in_virtual_time
async def test_a_line_has_limits() -> None:
    async with House(games=PLAYED, chat_lines_max=2, chat_chars_max=5) as house:
        seated, a = await house.join("a", "talk")
        say(seated.handle, "toolong", ref=1)
        say(seated.handle, "\n\t", ref=2)
        for ref in (3, 4, 5):
            say(seated.handle, "ok", ref=ref)
        await asyncio.sleep(10.1)
        say(seated.handle, "again", ref=6)
        await asyncio.sleep(0.1)
        assert heard(a) == ["ok", "ok", "again"]
        assert errors(a) == [("chat_refused", 1), ("chat_refused", 2), ("chat_refused", 5)]
        assert house.metrics.chat_limited == 3
        other, b = await house.join("b")
        say(other.handle, "hello", ref=9)
        other.handle.say(from_client.Vote(10, "pause"))
        assert errors(b) == [("chat_refused", 9), ("vote_refused", 10)]


@in_virtual_time
async def test_a_team_speaks_among_itself() -> None:
    async with House(games=PLAYED) as house:
        seats = [await house.join(name, "talk") for name in "abcd"]
        say(seats[0][0].handle, "red only", team=True)
        say(seats[2][0].handle, "no team", team=True)
        await asyncio.sleep(0.1)
        assert [heard(watcher) for _, watcher in seats] == [["red only"], [], [], ["red only"]]
        assert errors(seats[2][1]) == [("chat_refused", 1)]


@in_virtual_time
async def test_a_muted_player_is_not_sent() -> None:
    async with House(games=PLAYED, chat_muted_max=1) as house:
        first, a = await house.join("a", "talk")
        second, b = await house.join("b", "talk")
        second.handle.say(from_client.Mute(3, "a"))
        second.handle.say(from_client.Mute(4, "c"))
        say(first.handle, "blah")
        await asyncio.sleep(0.1)
        assert (heard(a), heard(b)) == (["blah"], [])
        assert errors(b) == [("chat_refused", 4)]
        again, late = await house.join("b", match=first.joined.match)
        missed = [one.message for one in again.missed]
        assert missed == [to_client.Muted(0, ["a"])]
        again.handle.say(from_client.Mute(5, "a", muted=False))
        say(first.handle, "sorry")
        await asyncio.sleep(0.1)
        assert heard(late) == ["sorry"]


@in_virtual_time
async def test_who_comes_later_gets_the_newest_lines() -> None:
    async with House(games=PLAYED, chat_history_max=2) as house:
        first, _ = await house.join("a", "talk")
        for text in ("one", "two", "three"):
            say(first.handle, text)
        say(first.handle, "red", team=True)
        await asyncio.sleep(0.1)
        second, _ = await house.join("b", match=first.joined.match)
        told = [one.message for one in second.missed]
        assert [one.text for one in told if isinstance(one, to_client.Said)] == ["three"]
        first.handle.leave(LeaveReason.LEFT)
        third, _ = await house.join("a", match=first.joined.match)
        assert third.missed == []


# ── moderation ───────────────────────────────────────────────────────────────────────────────────


def moderate(spoken: Spoken) -> Verdict:
    match spoken.text:
        case "damn":
            return Replace("d***")
        case "bad":
            return Refuse("be kind")
        case "bug":
            raise ValueError(spoken.text)
        case _:
            return Allow()


async def slowly(spoken: Spoken) -> Verdict:
    await asyncio.sleep(0.1 if spoken.text != "stuck" else 60)
    return moderate(spoken)


@pytest.mark.parametrize("moderator", ["moderate", "slowly"])
@in_virtual_time
async def test_a_moderator_has_the_first_word(
    moderator: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"tests.match.test_chat:{moderator}"
    async with House(games=PLAYED, moderator=load(path), chat_lines_max=9) as house:
        first, a = await house.join("a", "talk")
        _, b = await house.join("b", "talk")
        with caplog.at_level(logging.DEBUG):
            for ref, text in enumerate(("fine", "damn", "bad", "bug", "stuck", "end")):
                say(first.handle, text, ref=ref)
            await asyncio.sleep(3)
        lines = ["fine", "d***", "end"]
        if moderator == "moderate":
            lines.insert(2, "stuck")
        assert heard(a) == heard(b) == lines
        refused = [("chat_refused", 2), ("chat_refused", 3)]
        assert errors(a) == refused + ([("chat_refused", 4)] if moderator == "slowly" else [])
        assert not any(word in caplog.text for word in ("fine", "damn", "stuck"))
        assert "ValueError" in str([vars(one) for one in caplog.records])
        metrics = house.metrics
        assert (metrics.chat_replaced, metrics.chat_unjudged) == (1, 1 + (moderator == "slowly"))


@in_virtual_time
async def test_a_failing_moderator_may_let_through() -> None:
    async with House(games=PLAYED, moderator=moderate, chat_moderator_fails="allow") as house:
        first, a = await house.join("a", "talk")
        say(first.handle, "bug")
        await asyncio.sleep(0.1)
        assert heard(a) == ["bug"]


def test_a_moderator_is_named_by_its_path() -> None:
    assert load("") is None
    for path in ("nowhere:judge", "tests.match.test_chat:nothing", "tests.match.test_chat:PLAYED"):
        with pytest.raises(ConfigError):
            load(path)


# ── over nodes ───────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_chat_crosses_nodes_and_outlives_one() -> None:
    async with Town(3, games=PLAYED) as (one, two, three):
        first, a = await one.join("a", "talk")
        await asyncio.sleep(0.1)
        second, b = await two.join("b", match=first.joined.match)
        third, c = await three.join("c", match=first.joined.match)
        third.handle.say(from_client.Mute(1, "a"))
        await asyncio.sleep(0.1)
        say(first.handle, "from a")
        say(second.handle, "from b")
        say(second.handle, "", ref=7)
        await asyncio.sleep(0.2)
        assert sorted(heard(a)) == sorted(heard(b)) == ["from a", "from b"]
        assert heard(c) == ["from b"]
        assert errors(b) == [("chat_refused", 7)]
        await one.kill()
        await asyncio.sleep(5)
        say(second.handle, "still here")
        await asyncio.sleep(0.5)
        assert heard(c) == ["from b", "still here"]
        assert sorted(heard(b)) == ["from a", "from b", "still here"]
        again, _ = await two.join("a", match=first.joined.match)
        assert len([x for x in again.missed if isinstance(x.message, to_client.Said)]) == 3
        assert second.handle.input(9, Do("add", 1)) is None
