"""Who sits where in one match."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gameserver.game.contract import Player
from gameserver.ids import PlayerId
from gameserver.ports import Subscriber
from gameserver.wire import to_client
from gameserver.wire.frame import Frame


class Member:
    """A player with a seat: present while ``subscriber`` is set, else expected back until
    ``gone_until`` (the loop's time in s)."""

    __slots__ = (
        "gone_until",
        "handle",
        "input_seq",
        "player",
        "queued",
        "queued_tick",
        "subscriber",
    )

    def __init__(self, player: Player, *, input_seq: int = 0) -> None:
        self.player = player
        self.input_seq = input_seq
        """The last input taken for a step: the next one must be higher."""
        self.queued = 0
        self.queued_tick = -1
        """``queued`` counts the inputs waiting for the step that follows this tick."""
        self.subscriber: Subscriber | None = None
        self.handle: object | None = None
        """The only seat handle that may speak for the member; earlier ones are void."""
        self.gone_until = float("inf")


class Roster:
    """Seats 0 to ``players_max`` - 1. ``acks[seat]`` is the last input applied for that seat."""

    __slots__ = ("_by_player", "_seats", "acks", "audience", "polls", "shows")

    def __init__(self, players_max: int) -> None:
        self._seats: list[Member | None] = [None] * players_max
        self._by_player: dict[PlayerId, Member] = {}
        self.acks: list[int] = []
        self.audience: tuple[Member, ...] = ()
        """Members who are present. Replaced, never changed: it may be iterated while a subscriber
        reacts by leaving."""
        self.polls: tuple[Callable[[], None], ...] = ()
        self.shows: tuple[Callable[[Frame], None], ...] = ()
        """``poll`` and ``frame`` of those present, looked up once and not at every tick."""

    def __len__(self) -> int:
        return len(self._by_player)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._by_player.values()))

    @property
    def free_seat(self) -> int | None:
        """The lowest free seat."""
        return self._seats.index(None) if len(self._by_player) < len(self._seats) else None

    def find(self, player_id: PlayerId) -> Member | None:
        return self._by_player.get(player_id)

    def add(self, member: Member) -> None:
        """Give ``member`` the seat of its ``player``, which must be free."""
        seat = member.player.seat
        if self._seats[seat] is not None:
            raise RuntimeError(f"seat {seat} is taken")
        self._seats[seat] = member
        self._by_player[member.player.id] = member
        self.acks += [0] * (seat + 1 - len(self.acks))
        self.acks[seat] = member.input_seq

    def remove(self, member: Member) -> None:
        seat = member.player.seat
        self._seats[seat] = None
        del self._by_player[member.player.id]
        self.acks[seat] = 0
        while self.acks and self._seats[len(self.acks) - 1] is None:
            self.acks.pop()
        self.changed()

    def changed(self) -> None:
        """Somebody came or went: rebuild the audience."""
        self.audience = tuple(m for m in self._by_player.values() if m.subscriber is not None)
        present = [m.subscriber for m in self.audience if m.subscriber is not None]
        self.polls = tuple(subscriber.poll for subscriber in present)
        self.shows = tuple(subscriber.frame for subscriber in present)

    def shown(self) -> list[to_client.Seat]:
        """The seats as clients see them, by number."""
        return [
            to_client.Seat(m.player.seat, m.player.id, m.player.name, m.subscriber is not None)
            for m in self._seats
            if m is not None
        ]
