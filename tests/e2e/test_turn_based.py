"""Liar's dice to its end: one player through the JSON subprotocol by a stock WebSocket client, the
other by the client library."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from websockets.asyncio.client import connect

from gameclient import Event, Frame, GameClient, Left
from gameserver.devstack.stack import Stack
from tests.e2e.conftest import rows


class Player:
    """Bids one more than the last bid, and challenges when it gets bold."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seat = -1
        self.match = ""
        self.view: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.others_dice_seen = False
        self._seq = 0
        self._moved: object = None

    async def play_by_library(self, url: str, token: str) -> str:
        """The same as ``play``."""
        async with GameClient(f"{url}/v1/play", token=token) as client:
            joined = await client.join("liars_dice", "blitz")
            self.seat, self.match = joined.seat, joined.match
            async for happening in client:
                match happening:
                    case Frame(view=view):
                        self.view = view
                        if (move := self.move()) is not None:
                            client.input(move)
                    case Event():
                        self.events.append({"type": "event", **msgspec.to_builtins(happening)})
                    case Left(reason=reason):
                        return reason
        raise AssertionError("the connection ended before the match")

    async def play(self, url: str, token: str) -> str:
        """Play one match; the reason of ``left``."""
        async with connect(
            f"{url}/v1/play",
            subprotocols=["gameserver.v1.json"],
            additional_headers={"Authorization": f"Bearer {token}"},
        ) as socket:
            assert socket.subprotocol == "gameserver.v1.json"
            join = {"type": "join", "ref": 1, "game": "liars_dice", "mode": "blitz"}
            await socket.send(json.dumps(join))
            async for text in socket:
                assert isinstance(text, str)
                message = json.loads(text)
                if message["type"] == "left":
                    return str(message["reason"])
                self.heed(message)
                move = self.move()
                if move is not None:
                    self._seq += 1
                    await socket.send(json.dumps({"type": "input", "seq": self._seq, "data": move}))
        raise AssertionError("the connection ended before the match")

    def heed(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "joined":
                self.seat, self.match = message["seat"], message["match"]
            case "snapshot":
                self.view = message["view"]
            case "delta":
                self.view.update(message["fields"])
                for table, changed in message["entities"].items():
                    self.view[table].update(changed)
                for table, keys in message["removed"].items():
                    for key in keys:
                        del self.view[table][str(key)]
            case "event":
                self.events.append(message)
            case "error":
                raise AssertionError(message)

    def move(self) -> dict[str, Any] | None:
        view = self.view
        if not view:
            return None
        if view["phase"] == "lobby":
            turn: object = "lobby"
            action: dict[str, Any] = {"action": "ready"}
        elif view["phase"] == "bidding" and view["turn"] == self.seat:
            bid = view["bid"]
            turn = (view["round"], json.dumps(bid))
            if bid is None:
                action = {"action": "bid", "count": 1, "face": view["own"][0]}
            elif bid["count"] >= 3:
                action = {"action": "challenge"}
            else:
                action = {"action": "bid", "count": bid["count"] + 1, "face": bid["face"]}
        else:
            return None
        if turn == self._moved:
            return None
        self._moved = turn
        return action


async def test_a_match_is_played_to_its_end_and_stored(stack: Stack) -> None:
    cognito = stack.moto.cognito()
    ada, bo = Player("ada-e2e"), Player("bo-e2e")
    async with asyncio.timeout(110):
        url = stack.settings.ws_url
        reasons = await asyncio.gather(
            ada.play(url, cognito.token(ada.name)),
            bo.play_by_library(url, cognito.token(bo.name)),
        )
    assert list(reasons) == ["ended", "ended"]
    assert ada.match == bo.match

    kinds = [event["kind"] for event in ada.events]
    assert kinds[-1] == "match_ended"
    assert "round_started" in kinds
    # Both were told the same facts, numbered without a gap.
    seqs = [event["seq"] for event in bo.events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    told = {event["seq"]: event for event in ada.events}
    assert all(told[event["seq"]] == event for event in bo.events if event["seq"] in told)

    dsn = stack.postgres_dsn
    [match] = await rows(
        dsn, "SELECT * FROM matches WHERE match_id = $1 AND ended_at IS NOT NULL", ada.match
    )
    assert (match["game"], match["mode"], match["reason"]) == ("liars_dice", "blitz", "finished")
    results = await rows(
        dsn, "SELECT * FROM results WHERE match_id = $1 ORDER BY place", ada.match, until=2
    )
    assert {row["player_id"] for row in results} == {"ada-e2e", "bo-e2e"}
    ended = ada.events[-1]["data"]
    assert [row["player_id"] for row in results] == [
        place["player"] for place in sorted(ended["standings"], key=lambda place: place["place"])
    ]
    stored = await rows(
        dsn, "SELECT seq, kind FROM events WHERE match_id = $1", ada.match, until=len(seqs)
    )
    assert {row["seq"]: row["kind"] for row in stored}.items() >= {
        event["seq"]: event["kind"] for event in ada.events
    }.items()
