"""Matches of one process without a store: the page's tests need a game, not durability."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame, LeaveReason, Player
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.games.arena import Arena
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Catalogue, Listed, Visibility
from gameserver.ports import Identity, Seated, Subscriber
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast, Frame
from tests.fakes.memory_maintenance import MemoryMaintenance


@dataclass
class Given:
    player_id: PlayerId
    seat: int
    seq: int
    data: Any


@dataclass
class Setup:
    mode: str
    players_max: int
    options: Mapping[str, Any]
    random: SeededRandom


class Place:
    """A player's seat; implements ``SeatHandle``."""

    def __init__(self, room: Room, player: Player, subscriber: Subscriber) -> None:
        self.room, self.player = room, player
        self.subscriber: Subscriber | None = subscriber
        self.ack = 0
        self.match_id = room.id

    def input(self, seq: int, data: Any) -> to_client.ErrorCode | None:
        if seq <= self.ack:
            return to_client.ErrorCode.BAD_INPUT
        self.ack = seq
        self.room.inputs.append(Given(self.player.id, self.player.seat, seq, data))
        return None

    def say(self, message: from_client.Word) -> None:
        seat, player = self.player.seat, self.player
        match message:
            case from_client.Chat(text=text):
                self.room.lines += 1
                number = self.room.lines
                said = to_client.Said(number, seat, player.id, player.name, text, message.team, 0)
                self.room.tell_all(Broadcast(said))
            case from_client.Vote(what=what):
                self.room.tell_all(Broadcast(to_client.Voting(what, [seat], [], 2, 0)))
            case _:
                pass

    def leave(self, reason: LeaveReason) -> None:
        self.room.remove(self, reason)

    def detach(self) -> None:
        self.subscriber = None


class Seatless:
    """A spectator's; implements ``SeatHandle``."""

    def __init__(self, room: Room, told: Subscriber) -> None:
        self.room, self.told = room, told
        self.match_id = room.id

    def input(self, seq: int, data: Any) -> to_client.ErrorCode | None:
        return to_client.ErrorCode.NOT_JOINED

    def say(self, message: from_client.Word) -> None:
        """Nobody hears it."""

    def leave(self, reason: LeaveReason) -> None:
        self.room.watchers.remove(self.told)

    def detach(self) -> None:
        self.room.watchers.remove(self.told)


class Room:
    """One match."""

    def __init__(self, game: AnyGame, mode: str) -> None:
        self.game, self.mode = game, mode
        self.id: MatchId = SystemEntropy().match_id()
        self.settings = game.modes[mode]
        random = SeededRandom(7)
        self.tick_now = StepTick.of(game, random)
        setup = Setup(mode, self.settings.players_max, self.settings.options, random)
        self.state = game.start(setup)
        self.epoch, self.tick, self.seq = 1, 0, 0
        self.places: dict[PlayerId, Place] = {}
        self.inputs: list[Given] = []
        self.events: list[Broadcast] = []
        self.last: Frame | None = None
        self.over = False
        self.lines = 0
        self.watchers: list[Subscriber] = []

    def tell_all(self, message: Broadcast) -> None:
        for place in self.places.values():
            if place.subscriber is not None:
                place.subscriber.tell_alone(message)

    def show(self, request: from_client.Watch, told: Subscriber) -> Seated:
        self.watchers.append(told)
        joined = to_client.Joined(
            ref=request.ref,
            match=self.id,
            game=self.game.name,
            mode=self.mode,
            epoch=self.epoch,
            tick=self.tick,
            tick_rate=self.game.tick_rate,
            seat=-1,
            input_seq=0,
            seq=self.seq,
            resumed=False,
            seats=[
                to_client.Seat(p.player.seat, p.player.id, p.player.name, True)
                for p in self.places.values()
            ],
        )
        handle = Seatless(self, told)
        return Seated(handle=handle, game=self.game, joined=joined, missed=[], frame=self.frame())

    def tell(self, kind: str, player: str | None, data: dict[str, Any]) -> None:
        self.seq += 1
        event = Broadcast.event(self.seq, self.tick, kind, player, data)
        self.events.append(event)
        for place in self.places.values():
            if place.subscriber is not None:
                place.subscriber.announce(event)

    def take(self, request: from_client.Join, identity: Identity, told: Subscriber) -> Seated:
        place = self.places.get(identity.player_id)
        back = place is not None
        if place is None:
            taken = {each.player.seat for each in self.places.values()}
            seat = next(i for i in range(self.settings.players_max) if i not in taken)
            player = Player(id=identity.player_id, name=identity.name, seat=seat)
            self.tick_now.reset(self.tick, self.tick * 50)
            self.game.join(self.state, player, self.tick_now)
            place = Place(self, player, told)
            self.tell("player_joined", player.id, {"name": player.name, "seat": seat})
            self.places[player.id] = place
        elif place.subscriber is not None:
            place.subscriber.left("replaced")
        place.subscriber = told
        resumed = back and request.resume is not None and request.resume.epoch == self.epoch
        since = request.resume.seq if resumed and request.resume else self.seq
        joined = to_client.Joined(
            ref=request.ref,
            match=self.id,
            game=self.game.name,
            mode=self.mode,
            epoch=self.epoch,
            tick=self.tick,
            tick_rate=self.game.tick_rate,
            seat=place.player.seat,
            input_seq=place.ack,
            seq=since,
            resumed=resumed,
            seats=[
                to_client.Seat(p.player.seat, p.player.id, p.player.name, p.subscriber is not None)
                for p in self.places.values()
            ],
        )
        missed = [event for event in self.events if event.seq > since]
        self.last = self.last or self.frame()
        return Seated(handle=place, game=self.game, joined=joined, missed=missed, frame=self.last)

    def remove(self, place: Place, reason: LeaveReason) -> None:
        del self.places[place.player.id]
        self.tick_now.reset(self.tick, self.tick * 50)
        self.game.leave(self.state, place.player, reason, self.tick_now)
        self.tell(
            "player_left", place.player.id, {"reason": str(reason), "seat": place.player.seat}
        )

    def frame(self) -> Frame:
        acks = [0] * (1 + max((p.player.seat for p in self.places.values()), default=-1))
        for place in self.places.values():
            acks[place.player.seat] = place.ack
        return Frame.of(
            epoch=self.epoch,
            tick=self.tick,
            server_ms=WallClock().wall_ms(),
            acks=acks,
            view=self.game.view(self.state),
        )

    def step(self) -> None:
        self.tick_now.reset(self.tick, self.tick * 50)
        inputs, self.inputs = self.inputs, []
        self.game.step(self.state, inputs, self.tick_now)
        self.tick += 1
        self.last = self.frame()
        for place in self.places.values():
            if place.subscriber is not None:
                place.subscriber.frame(self.last)
        for told in self.watchers:
            told.frame(self.last)
        for emitted in self.tick_now.take():
            self.tell(emitted.kind, emitted.player_id, emitted.data())
        if self.tick_now.ended is not None:
            self.end()

    def end(self) -> None:
        assert self.tick_now.ended is not None
        self.over = True
        standings = [
            {"player": s.player_id, "place": s.place, "score": s.score}
            for s in self.tick_now.ended.standings
        ]
        self.tell("match_ended", None, {"reason": "finished", "standings": standings})
        for place in self.places.values():
            if place.subscriber is not None:
                place.subscriber.left("ended")


class Rooms:
    """Implements ``Matches`` and the API's ``Bulletin``."""

    def __init__(self) -> None:
        self.games: dict[str, AnyGame] = {"arena": Arena()}
        self.rooms: list[Room] = []
        self.maintenance = MemoryMaintenance()
        self._task: asyncio.Task[None] | None = None

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        open_rooms = [room for room in self.rooms if not room.over]
        if isinstance(request, from_client.Watch):
            [watched] = [room for room in open_rooms if room.id == request.match]
            return watched.show(request, subscriber)
        seated = any(identity.player_id in room.places for room in open_rooms)
        if self.maintenance.current is not None and not seated:
            raise JoinRefused("maintenance", self.maintenance.current.message)
        if request.match:
            found = [room for room in open_rooms if room.id == request.match]
            if not found:
                raise JoinRefused("unknown_match", "the match is over")
            return found[0].take(request, identity, subscriber)
        game = self.games.get(request.game)
        if game is None:
            raise JoinRefused("unknown_game", "there is no such game")
        mode = request.mode or next(iter(game.modes))
        for room in open_rooms:
            if room.mode == mode and len(room.places) < room.settings.players_max:
                return room.take(request, identity, subscriber)
        self.rooms.append(Room(game, mode))
        return self.rooms[-1].take(request, identity, subscriber)

    async def current(self) -> Catalogue:
        return Catalogue(
            [
                Listed(
                    MatchId(room.id),
                    room.game.name,
                    room.mode,
                    len(room.places),
                    room.settings.players_max,
                    room.settings.players_max - len(room.places),
                    room.tick,
                    "running",
                    "stage",
                    1,
                    "",
                    Visibility.PUBLIC,
                )
                for room in self.rooms
                if not room.over
            ]
        )

    def finish(self, match: str) -> None:
        """End a match as an operator would."""
        room = next(room for room in self.rooms if room.id == match)
        room.tick_now.reset(room.tick, room.tick * 50)
        room.game.signal(room.state, {"op": "end"}, room.tick_now)
        room.end()

    def tell(self, match: str, kind: str, player: str, data: dict[str, Any]) -> None:
        """Announce an event in a match."""
        next(room for room in self.rooms if room.id == match).tell(kind, player, data)

    def move(self, match: str) -> None:
        """The match goes on with another owner: all are told, and nobody is seated."""
        room = next(room for room in self.rooms if room.id == match)
        for place in room.places.values():
            told, place.subscriber = place.subscriber, None
            if told is not None:
                told.left("moved")

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 0.05
            if loop.time() - due > 0.25:
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))
            for room in self.rooms:
                if not room.over and any(place.subscriber for place in room.places.values()):
                    room.step()
