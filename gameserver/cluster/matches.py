"""All matches of all nodes as one: whichever node a player is connected to.

    session ──join──► ClusterMatches ─┬─ here ──► MatchService
                          ▲           └─ there ─► NodeBus ──► its ClusterMatches ──► Guests
                          └── Directory: who is there, open matches, players' seats

A node alone has no peers: then nothing is asked, sent or waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from gameserver.cluster import messages
from gameserver.cluster.calls import Calls
from gameserver.cluster.desk import Desk
from gameserver.cluster.door import Door
from gameserver.cluster.guests import Guests
from gameserver.cluster.link import MOVED, Elsewhere, Link
from gameserver.cluster.peers import Peers
from gameserver.cluster.placement import Placement
from gameserver.cluster.pulse import BEAT_S, Pulse
from gameserver.cluster.seeker import Seeker
from gameserver.config import Config
from gameserver.errors import JoinRefused, StoreUnavailable
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from gameserver.ports import (
    Directory,
    Entropy,
    Identity,
    LocalMatches,
    MatchStore,
    NodeBus,
    NodeInfo,
    Seated,
    Subscriber,
    Vitals,
)
from gameserver.rounds import shared
from gameserver.wire import from_client
from gameserver.wire.frame import Broadcast, Frame
from gameserver.wire.to_client import ErrorCode

logger = logging.getLogger(__name__)

ALIVE_S = 0.25
SILENT_S = 1.0
"""A node that has not been heard of for so long may be gone: its matches are looked for."""
GUESTS_SILENT_S = 3.0


class ClusterMatches:
    """Implements ``ports.Matches`` and ``ports.BusReceiver``."""

    def __init__(
        self,
        config: Config,
        *,
        node: str,
        local: LocalMatches,
        store: MatchStore,
        bus: NodeBus,
        directory: Directory,
        entropy: Entropy,
        metrics: Metrics,
        cpu_s: Callable[[], float],
    ) -> None:
        self.node = node
        self.local = local
        self.store = store
        self.entropy = entropy
        self.metrics = metrics
        self.grace_s = config.grace_ms / 1000
        self.door = Door()
        self.peers = Peers()
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, Link] = {}
        self._by_match: dict[tuple[str, str], dict[int, Link]] = {}
        self._numbers = 0
        self._desk = Desk(self._send)
        self._heard: dict[str, float] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._runs: list[asyncio.Task[None]] = []
        self.placement = Placement(self, directory)
        self._seeker = Seeker(self)
        self._guests = Guests(
            bus, local, guests_max=config.sessions_max, spawn=self._spawn, metrics=metrics
        )
        self._pulse = Pulse(
            node=node,
            local=local,
            directory=directory,
            peers=self.peers,
            sessions=lambda: len(self._links),
            cpu_s=cpu_s,
            region=config.region,
        )
        self.calls = Calls(
            node=node, send=self._send, peers=lambda: self.peers.names, spawn=self._spawn
        )
        metrics.gauge("links_remote", "Players here of matches elsewhere", self._remote_links)
        metrics.gauge("peers", "Other nodes", lambda: float(len(self.peers)))
        bus.listen(self)
        local.on_seat = self._pulse.note_seat
        local.on_released = self._released

    @property
    def games(self) -> Mapping[str, AnyGame]:
        return self.local.games

    @property
    def has_peers(self) -> bool:
        return len(self.peers) > 0

    @property
    def load(self) -> float:
        """The share of a core that this node used lately."""
        return self._pulse.load

    @property
    def info(self) -> NodeInfo:
        """What this node says of itself."""
        return self._pulse.info()

    def tell_vitals(self, read: Callable[[], Vitals]) -> None:
        """What ``read`` gives is told with every heartbeat."""
        self._pulse.vitals = read

    # ── joining ──────────────────────────────────────────────────────────────────────────────

    async def join(
        self, request: from_client.Entry, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        """See ``ports.Matches``."""
        request = await self.door.passed(request, identity)
        self._numbers += 1
        watching = isinstance(request, from_client.Watch)
        link = Link(self, self._numbers, identity, subscriber, watching=watching)
        self._links[link.number] = link
        try:
            seated, owner = await self.placement.place(request, link)
        except BaseException:
            self.forget(link)
            raise
        link.took(seated, owner)
        if owner:
            self._by_match.setdefault((owner, link.channel), {})[link.number] = link
        return msgspec.structs.replace(seated, handle=link)

    async def ask(self, owner: str, request: from_client.Entry, link: Link) -> Seated:
        """A seat of ``owner``. Raises ``JoinRefused``, ``TimeoutError``."""
        self._heard.setdefault(owner, self._loop.time())
        given = await self._desk.ask(owner, link.number, request, link.identity)
        game = self.local.games.get(given.joined.game)
        if game is None:
            self._send(owner, messages.LetGo(link.number))
            raise JoinRefused(ErrorCode.UNKNOWN_GAME, f"{given.joined.game} is not played here")
        return Seated(
            handle=Elsewhere(self, link, owner, MatchId(given.joined.match)),
            game=game,
            joined=given.joined,
            missed=[Broadcast.unpacked(payload) for payload in given.missed],
            frame=Frame.unpacked(given.frame, game.View) if given.frame else None,
        )

    # ── what links ask ───────────────────────────────────────────────────────────────────────

    def give_input(self, link: Link, seq: int, data: Any) -> bool:
        """False while nobody is known to take it."""
        if not link.owner:
            return False
        raw = msgspec.Raw(msgspec.msgpack.encode(data))
        self._send(link.owner, messages.GiveInput(link.number, seq, raw))
        return True

    def give_word(self, link: Link, word: from_client.Word) -> None:
        self._send(link.owner, messages.GiveWord(link.number, word))

    def give_up(self, link: Link, owner: str, reason: LeaveReason) -> None:
        if owner:
            self._send(owner, messages.GiveUp(link.number, reason))

    def let_go(self, link: Link, owner: str) -> None:
        self._send(owner, messages.LetGo(link.number))

    def forget(self, link: Link) -> None:
        self._links.pop(link.number, None)
        self._unlist(link)

    def seek(self, link: Link) -> None:
        """Look for the match of ``link``."""
        self._unlist(link)
        self._spawn(self._seeker.seek(link))

    def settled(self, link: Link) -> None:
        """The seeker has found it."""
        if link.owner and not link.closed:
            self._by_match.setdefault((link.owner, link.channel), {})[link.number] = link

    def _unlist(self, link: Link) -> None:
        for key, links in list(self._by_match.items()):
            if links.pop(link.number, None) is not None and not links:
                del self._by_match[key]

    # ── BusReceiver ──────────────────────────────────────────────────────────────────────────

    def received(self, node: str, message: bytes) -> None:
        """See ``ports.BusReceiver``."""
        self._heard[node] = self._loop.time()
        try:
            said = messages.decode(message)
        except (msgspec.DecodeError, RecursionError) as error:
            logger.warning("message not understood", extra={"node": node, "error": str(error)})
            return
        match said:
            case messages.Alive():
                pass
            case messages.ShowFrame():
                self._desk.overheard(node, said)
                self._show(node, said)
            case messages.Tell():
                self._desk.overheard(node, said)
                told = Broadcast.unpacked(said.payload)
                for link in self._of_match(node, said.match):
                    link.told(told, said.epoch)
            case messages.TellOne():
                self._desk.overheard(node, said)
                told_one = self._links.get(said.link)
                if told_one is not None and told_one.owner == node:
                    told_one.told_alone(Broadcast.unpacked(said.payload), said.epoch)
            case messages.JoinAnswer() | messages.JoinRefusal():
                self._desk.answered(node, said)
            case messages.SeatGone():
                self._desk.overheard(node, said)
                link_gone = self._links.get(said.link)
                if link_gone is not None and link_gone.owner == node:
                    link_gone.left(said.reason)
            case messages.Ask() | messages.Reply() | messages.Note():
                self.calls.received(node, said)
            case messages.TakeOver():
                self._spawn(self._adopt(MatchId(said.match)))
            case _:
                self._guests.received(node, said)

    def interrupted(self, node: str) -> None:
        """See ``ports.BusReceiver``: both sides begin anew where they stand."""
        self.metrics.bus_interruptions += 1
        for link in [link for link in self._links.values() if link.owner == node]:
            link.lost()
        self._guests.lost(node)

    def _show(self, node: str, shown: messages.ShowFrame) -> None:
        links = self._of_match(node, shown.match)
        if not links or links[0].game is None:
            return
        frame = Frame.unpacked(shown.frame, links[0].game.View)
        for link in links:
            if not shown.link or shown.link == link.number:
                link.frame(frame)

    def _of_match(self, node: str, match: str) -> list[Link]:
        return list(self._by_match.get((node, match), {}).values())

    async def _adopt(self, match_id: MatchId) -> None:
        try:
            await self.local.adopt(match_id)
        except StoreUnavailable as error:
            logger.warning("match not taken over", extra={"match": match_id, "error": str(error)})

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Hear of the others once, then keep in touch."""
        await self._pulse.beat()
        for run in (self._pulse.run, self._keep_watching):
            task = self._loop.create_task(run())
            task.add_done_callback(self._local_failed)
            self._runs.append(task)

    async def stop(self) -> None:
        """End everything at once. Idempotent."""
        for task in [*self._runs, *self._tasks]:
            task.remove_done_callback(self._local_failed)
            task.cancel()
        await asyncio.gather(*self._runs, *self._tasks, return_exceptions=True)
        self._runs.clear()
        await self._pulse.stop()

    def _released(self, match_id: MatchId, audience: list[Subscriber]) -> None:
        """The match has been given up in a drain: the node with most of its players, else the
        calmest, takes it over at once, and players here go on through the bus."""
        guests = {
            node: size
            for node, size in self._guests.of_match(match_id).items()
            if node in self.peers.names
        }
        heir = (
            max(guests, key=lambda node: (guests[node], node)) if guests else self.peers.calmest()
        )
        if heir is None:
            return
        self._send(heir, messages.TakeOver(match_id))
        for subscriber in audience:
            subscriber.left(MOVED)

    async def _keep_watching(self) -> None:
        """Silence of a node that one has to do with is the first sign of its loss."""
        pause_s, alone_s = shared(ALIVE_S), shared(BEAT_S)
        while True:
            await asyncio.sleep(pause_s() if self.peers.names else alone_s())
            now = self._loop.time()
            owners = {link.owner for link in self._links.values() if link.owner}
            guests_of = self._guests.nodes
            for node in sorted(owners | guests_of):
                self._send(node, messages.Alive())
                self._heard.setdefault(node, now)
            for node in sorted(owners):
                if self._heard[node] < now - SILENT_S:
                    logger.warning("node is silent", extra={"node": node})
                    for link in [link for link in self._links.values() if link.owner == node]:
                        link.lost()
            for node in sorted(guests_of):
                if self._heard[node] < now - GUESTS_SILENT_S:
                    self._guests.lost(node)
            for node in [node for node in self._heard if node not in owners | guests_of]:
                del self._heard[node]

    def _send(self, node: str, message: messages.Message) -> None:
        self._bus.send(node, messages.encode(message))

    def _remote_links(self) -> float:
        return float(sum(map(len, self._by_match.values())))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a task of the cluster failed", exc_info=error)

    def _local_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.local.fail(task.exception() or RuntimeError("a task of the cluster returned"))
