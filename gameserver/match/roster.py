"""Who sits where in one match."""

from __future__ import annotations

from collections.abc import Iterator

from gameserver.hot import Beat, Member
from gameserver.ids import PlayerId
from gameserver.wire import to_client


class Roster:
    """Seats 0 to ``players_max`` - 1. ``acks[seat]`` is the last input applied for that seat."""

    __slots__ = ("_beat", "_by_player", "_seats", "acks", "bots", "gallery")

    def __init__(self, players_max: int, beat: Beat) -> None:
        self._seats: list[Member | None] = [None] * players_max
        self._by_player: dict[PlayerId, Member] = {}
        self.bots = 0
        self.acks = beat.acks
        self._beat = beat
        self.gallery: Member | None = None
        """Stands for all spectators among those present; it has no seat."""

    @property
    def audience(self) -> tuple[Member, ...]:
        """Members who are present. Replaced, never changed: it may be iterated while a subscriber
        reacts by leaving."""
        return self._beat.audience

    @property
    def guests(self) -> tuple[Member, ...]:
        """Those of them whose connection is on another node."""
        return self._beat.guests

    def __len__(self) -> int:
        return len(self._by_player)

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._by_player.values()))

    @property
    def places(self) -> int:
        """How many may sit here."""
        return len(self._seats)

    @property
    def persons(self) -> int:
        """Those who are no bots."""
        return len(self._by_player) - self.bots

    @property
    def free_seat(self) -> int | None:
        """The lowest free seat."""
        return self._seats.index(None) if len(self._by_player) < len(self._seats) else None

    def __contains__(self, player_id: object) -> bool:
        return player_id in self._by_player

    def find(self, player_id: PlayerId) -> Member | None:
        return self._by_player.get(player_id)

    def add(self, member: Member) -> None:
        """Give ``member`` the seat of its ``player``, which must be free."""
        seat = member.player.seat
        if self._seats[seat] is not None:
            raise RuntimeError(f"seat {seat} is taken")
        self._seats[seat] = member
        self._by_player[member.player.id] = member
        self.bots += member.player.is_bot
        self.acks.extend([0] * (seat + 1 - len(self.acks)))
        self.acks[seat] = member.input_seq

    def remove(self, member: Member) -> None:
        seat = member.player.seat
        self._seats[seat] = None
        del self._by_player[member.player.id]
        self.bots -= member.player.is_bot
        self.acks[seat] = 0
        while self.acks and self._seats[len(self.acks) - 1] is None:
            self.acks.pop()
        self.changed()

    def changed(self) -> None:
        """Somebody came or went: rebuild the audience."""
        present = [m for m in self._by_player.values() if m.subscriber is not None]
        if self.gallery is not None:
            present.append(self.gallery)
        beat = self._beat
        beat.audience = tuple(present)
        beat.lines = tuple(m for m in present if m.line is not None)
        beat.guests = tuple(m for m in present if m.line is None)

    def shown(self) -> list[to_client.Seat]:
        """The seats as clients see them, by number."""
        return [
            to_client.Seat(
                m.player.seat,
                m.player.id,
                m.player.name,
                m.subscriber is not None or m.player.is_bot,
            )
            for m in self._seats
            if m is not None
        ]
