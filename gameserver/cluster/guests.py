"""The owner's side: players in its matches whose sockets are on other nodes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from gameserver import spans
from gameserver.cluster import messages
from gameserver.errors import JoinRefused, Unavailable
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.metrics import Metrics
from gameserver.ports import Matches, NodeBus, Seated, SeatHandle
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.to_client import ErrorCode

logger = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Party:
    """The guests of one match from one node, or its spectators there: what all of them see is sent
    once."""

    __slots__ = ("_bus", "_frame", "_node", "_told", "channel", "size")

    def __init__(self, bus: NodeBus, channel: str, node: str) -> None:
        self._bus = bus
        self.channel = channel
        self._node = node
        self._frame: Frame | None = None
        self._told: Broadcast | None = None
        self.size = 0

    def show(self, frame: Frame, link: int) -> None:
        """``link`` 0: the frame is the same for all."""
        if not link:
            if frame is self._frame:
                return
            self._frame = frame
        shown = messages.ShowFrame(self.channel, link, frame.packed())
        self._bus.send(
            self._node,
            messages.encode(shown),
            replaces=f"{self.channel}/{link}" if link else self.channel,
        )

    def tell(self, message: Broadcast, epoch: int) -> None:
        if message is not self._told:
            self._told = message
            told = messages.Tell(self.channel, epoch, message.packed())
            self._bus.send(self._node, messages.encode(told))


class Guest:
    """Implements ``ports.Subscriber`` for one player elsewhere."""

    __slots__ = ("_guests", "epoch", "game", "handle", "link", "node", "party", "watching")

    line = None

    def __init__(self, guests: Guests, node: str, link: int, *, watching: bool) -> None:
        self.watching = watching
        self._guests = guests
        self.node = node
        self.link = link
        self.epoch = 0
        self.game: AnyGame | None = None
        self.handle: SeatHandle | None = None
        self.party: Party | None = None

    def frame(self, frame: Frame) -> None:
        if self.party is not None and self.game is not None:
            own = self.game.hidden and not self.watching
            self.party.show(frame, self.link if own else 0)

    def announce(self, message: Broadcast) -> None:
        if self.party is not None:
            self.party.tell(message, self.epoch)

    def tell_alone(self, message: Broadcast) -> None:
        self._guests.tell(self, message)

    def polled(self, polled: bool) -> None:
        """There is no socket to be read."""

    def plays(self, game: AnyGame) -> None:
        self.game = game

    def left(self, reason: str) -> None:
        self._guests.gone(self, reason)


class Guests:
    """All guests of this node's matches, by their node and link."""

    def __init__(
        self,
        bus: NodeBus,
        matches: Matches,
        *,
        guests_max: int,
        spawn: Spawn,
        metrics: Metrics,
    ) -> None:
        self._bus = bus
        self._matches = matches
        self._max = guests_max
        self._spawn = spawn
        self._metrics = metrics
        self._guests: dict[tuple[str, int], Guest] = {}
        self._parties: dict[tuple[str, str], Party] = {}
        metrics.gauge("guests", "Players relayed from other nodes", lambda: len(self._guests))

    @property
    def nodes(self) -> set[str]:
        """Where they come from."""
        return {node for node, _ in self._guests}

    def of_match(self, match_id: str) -> dict[str, int]:
        """How many guests of the match each node has."""
        return {
            node: party.size for (match, node), party in self._parties.items() if match == match_id
        }

    def received(self, node: str, message: messages.Message) -> None:
        """What an edge asks."""
        match message:
            case messages.AskJoin() | messages.AskWatch():
                self._spawn(self._join(node, message))
            case messages.GiveInput():
                self._input(node, message)
            case messages.GiveWord():
                guest = self._guests.get((node, message.link))
                if guest is not None and guest.handle is not None:
                    guest.handle.say(message.word)
            case messages.GiveUp():
                if (guest := self._pop(node, message.link)) and guest.handle is not None:
                    guest.handle.leave(LeaveReason(message.reason))
            case messages.LetGo():
                if (guest := self._pop(node, message.link)) and guest.handle is not None:
                    guest.handle.detach()
            case _:
                raise TypeError(f"{type(message).__name__} is no question to an owner")

    def lost(self, node: str) -> None:
        """Nothing is known of ``node``'s players any more: their seats are kept for the grace
        period. If the node lives after all, it finds them again."""
        for guest in [guest for guest in self._guests.values() if guest.node == node]:
            self._pop(node, guest.link)
            if guest.handle is not None:
                guest.handle.detach()
            self._bus.send(node, messages.encode(messages.SeatGone(guest.link, "moved")))

    def gone(self, guest: Guest, reason: str) -> None:
        """The match has taken the seat away."""
        if self._guests.get((guest.node, guest.link)) is guest:
            self._pop(guest.node, guest.link)
            self._bus.send(guest.node, messages.encode(messages.SeatGone(guest.link, reason)))

    def tell(self, guest: Guest, message: Broadcast) -> None:
        """To one of them alone."""
        told = messages.TellOne(guest.link, guest.epoch, message.packed())
        self._bus.send(guest.node, messages.encode(told))

    async def _join(self, node: str, asked: messages.AskJoin | messages.AskWatch) -> None:
        try:
            if len(self._guests) >= self._max:
                raise JoinRefused(ErrorCode.SERVER_FULL, "this node has no room for guests")
            watching = isinstance(asked, messages.AskWatch)
            guest = Guest(self, node, asked.link, watching=watching)
            self._pop(node, asked.link)  # Its match will call it replaced: nobody must hear that.
            wanted = asked.request if isinstance(asked, messages.AskWatch) else asked.request.join()
            trace = "" if isinstance(asked, messages.AskWatch) else asked.trace
            with spans.following(trace):
                seated = await self._matches.join(wanted, asked.identity, guest)
        except JoinRefused as refused:
            code, text = str(refused.code), refused.message
        except Unavailable:
            code, text = ErrorCode.UNAVAILABLE, "the match store did not answer; try again"
        else:
            self._welcome(guest, seated)
            return
        refusal = messages.JoinRefusal(asked.link, code, text)
        self._bus.send(node, messages.encode(refusal))

    def _welcome(self, guest: Guest, seated: Seated) -> None:
        match_id = seated.handle.match_id
        channel = messages.channel(match_id, watching=guest.watching)
        party = self._parties.get((channel, guest.node))
        if party is None:
            party = self._parties[channel, guest.node] = Party(self._bus, channel, guest.node)
        party.size += 1
        guest.party, guest.handle, guest.game = party, seated.handle, seated.game
        guest.epoch = seated.joined.epoch
        self._guests[guest.node, guest.link] = guest
        answer = messages.JoinAnswer(
            guest.link,
            seated.joined,
            [missed.packed() for missed in seated.missed],
            b"" if seated.frame is None else seated.frame.packed(),
        )
        self._bus.send(guest.node, messages.encode(answer))

    def _input(self, node: str, message: messages.GiveInput) -> None:
        guest = self._guests.get((node, message.link))
        if guest is None or guest.handle is None or guest.game is None:
            self._metrics.inputs_dropped += 1
            return
        try:
            data = msgspec.msgpack.decode(message.data, type=type(guest.game).Input)
        except (ValueError, RecursionError):  # The edge has another version of the game.
            self._metrics.inputs_dropped += 1
            return
        if guest.handle.input(message.seq, data) is not None:
            self._metrics.inputs_dropped += 1

    def _pop(self, node: str, link: int) -> Guest | None:
        guest = self._guests.pop((node, link), None)
        if guest is not None and guest.party is not None and guest.handle is not None:
            guest.party.size -= 1
            if not guest.party.size:
                self._parties.pop((guest.party.channel, node), None)
            guest.party = None
        return guest
