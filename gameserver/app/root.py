"""The composition root: the only place that knows all layers.

Built in this order, stopped in reverse: data keys → store and queue → matches → cache, profiles and
records → gate → HTTP API → WebSocket server. The doors open last and close first. ``parts`` builds
what needs nothing of the rest.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp

from gameserver import moderation
from gameserver.adapters import gc_policy
from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.ecs import EcsTask
from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_auth import CognitoAccounts
from gameserver.adapters.http_services import Services
from gameserver.adapters.network_sim import NetworkSimulation
from gameserver.adapters.redis_answers import RedisAnswers
from gameserver.adapters.redis_tickets import RedisTickets
from gameserver.adapters.sealing import KmsSealer
from gameserver.adapters.sqs import SqsQueue
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.adapters.ws_server import WsServer
from gameserver.app.cluster import Basis, build_cluster
from gameserver.app.console import build_console
from gameserver.app.lobby import build_matchmaking, build_parties
from gameserver.app.nodes import join_nodes
from gameserver.app.parts import Base
from gameserver.app.players import Company
from gameserver.app.records import build_records
from gameserver.app.watch import build_traced, show, tell_cloudwatch, watch_lag
from gameserver.cluster.revocations import GuardedVerifier
from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_games
from gameserver.lobby.matchmaker import Matchmaker
from gameserver.lobby.party_news import PartyTeller
from gameserver.match.exchange import Exchanged
from gameserver.match.service import MatchService
from gameserver.match.unsealed import Unsealed
from gameserver.metrics import Metrics
from gameserver.node import Node, NodeChange
from gameserver.replay.theatre import Theatre
from gameserver.session.gate import SessionGate
from gameserver.spans import Spans

logger = logging.getLogger(__name__)

_SESSIONS_SETTLE_S = 4.0


class App:
    """One node, from its settings: ``async with App(config) as app: await app.run()``."""

    def __init__(
        self,
        config: Config,
        *,
        node_name: str,
        network: NetworkSimulation | None = None,
        spans: Spans | None = None,
    ) -> None:
        """``network``: in development, what connections are made to suffer. No setting sets it.
        ``spans``: where traces are kept, in the place of what the settings say."""
        self.config = config
        self._network = network
        self._spans = spans
        self.node = Node(node_name)
        self.metrics = Metrics()
        self.ws_port = 0
        self.http_port = 0
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        self._matches: MatchService
        self._matchmaker: Matchmaker
        self._gate: SessionGate
        self._ecs: EcsTask | None = None
        self._keys: DataKeys | None = None
        self._ws: WsServer

    async def __aenter__(self) -> Self:
        """Start everything; what was started is stopped again if a later part fails."""
        async with AsyncExitStack() as building:
            await self._build(building)
            self._stack = building.pop_all()
        self.node.change(NodeChange.STARTED)
        gc_policy.start()
        logger.info(
            "ready",
            extra={
                "node": self.node.name,
                "ws_port": self.ws_port,
                "http_port": self.http_port,
                "games": list(self._matches.games),
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything in reverse order."""
        self.node.change(NodeChange.STOPPED)
        await self._stack.aclose()
        logger.info("stopped", extra={"node": self.node.name})

    def exchange(self, game: AnyGame, *, end_unfit: bool = False) -> Exchanged:
        """Play by other rules of a game that is offered, in its running matches too as far as they
        fit. For development: no setting leads here."""
        return self._matches.exchange(game, end_unfit=end_unfit)

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or the wish of ECS, then drain. A second signal ends the
        drain at once.

        Raises what ended a side task of the matches: a node that cannot commit must not look well.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        try:
            watches = [loop.create_task(watch) for watch in self._watches()]
            try:
                ends: set[asyncio.Future[Any]] = {*watches, self._matches.failed}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in watches:
                    task.cancel()
            if self._matches.failed.done():
                self._matches.failed.result()
            for task in watches:
                if task.done() and not task.cancelled():
                    task.result()
            await self._drain()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _watches(self) -> list[Coroutine[Any, Any, Any]]:
        """What runs beside the serving; whatever of it ends, ends the serving too."""
        watches: list[Coroutine[Any, Any, Any]] = [
            self._stop.wait(),
            watch_lag(self.metrics),
            gc_policy.keep(lambda: not self._gate.sessions),
        ]
        if self._keys is not None:
            watches.append(self._keys.run())
        if self._ecs is not None and self.config.ecs_metadata_uri:
            watches.append(self._ecs.stopping())
        if self._ecs is not None and self.config.ecs_agent_uri:
            watches.append(self._ecs.protect(lambda: self._matches.players > 0))
        return watches

    async def _build(self, stack: AsyncExitStack) -> None:
        config, metrics = self.config, self.metrics
        clock, entropy = WallClock(), SystemEntropy()
        base = Base(config, node=self.node.name, clock=clock, entropy=entropy, metrics=metrics)
        games = load_games(config.games)

        traced = build_traced(stack, base, kept=self._spans)
        keys = self._keys = await base.data_keys(stack)
        store = await base.match_store(stack, keys)
        queue = await stack.enter_async_context(SqsQueue(config, metrics=metrics))
        revocations = await base.revocations(stack)
        verifier = GuardedVerifier(await base.verifier(stack), revocations)
        redis = await base.redis_for_api(stack)
        tickets = RedisTickets(
            redis,
            prefix=config.redis_prefix,
            ttl_ms=config.ticket_ttl_ms,
            clock=clock,
            metrics=metrics,
            keys=keys,
        )
        accounts = await stack.enter_async_context(CognitoAccounts(config))
        if config.ecs_metadata_uri or config.ecs_agent_uri:
            self._ecs = EcsTask(
                await stack.enter_async_context(aiohttp.ClientSession()),
                metadata_uri=config.ecs_metadata_uri,
                agent_uri=config.ecs_agent_uri,
                poll_s=config.ecs_poll_ms / 1000,
                entropy=entropy,
                metrics=metrics,
            )

        self._matches = MatchService(
            config,
            games=games,
            store=store,
            queue=queue,
            sealer=Unsealed() if keys is None else KmsSealer(keys),
            clock=clock,
            entropy=entropy,
            metrics=metrics,
            node=self.node.name,
            moderator=moderation.load(config.chat_moderator),
            traces=traced.matches,
        )
        await self._matches.start()
        stack.push_async_callback(self._matches.stop)
        together = await base.redis_for_rounds(stack)
        nodes = await join_nodes(
            stack, base, local=self._matches, store=store, keys=keys, together=together
        )
        cluster = nodes.matches
        cache = await base.cache(stack)
        profiles, recorder = await base.players(stack, cache, keys)
        records = await build_records(stack, config, cache, keys, metrics)
        self._matchmaker, matchmaking = await build_matchmaking(
            stack,
            base,
            matches=store,
            local=self._matches,
            cluster=cluster,
            ratings=records.ratings,
            together=together,
            deliver=lambda player, news: self._gate.tell(player, news),
        )
        parts = await build_cluster(
            stack,
            Basis(
                config=config,
                node=self.node.name,
                matches=self._matches,
                cluster=cluster,
                store=store,
                directory=nodes.directory,
                redis=redis,
                together=together,
                keys=keys,
                clock=clock,
                entropy=entropy,
                metrics=metrics,
            ),
            close_sockets=lambda player, reason: self._gate.kick(player, reason),
            drain=self._stop.set,
        )
        console = build_console(
            stack,
            base,
            redis=redis,
            cluster=cluster,
            local=self._matches,
            sessions=lambda: self._gate.identities,
        )

        company = await Company.build(
            base, stack, cluster=cluster, queues=matchmaking, keys=keys, cache=cache, known=profiles
        )
        parties = await build_parties(
            stack,
            base,
            redis,
            news=PartyTeller(company.notifier, invite_ms=config.party_invite_ms),
            matchmaking=matchmaking,
            hosting=parts.hosting,
            players=lambda: self._gate.players,
            blocks=company.friends,
        )
        self._gate = SessionGate(
            config=config,
            verifier=verifier,
            tickets=tickets,
            matches=traced.around_matches(cluster),
            clock=clock,
            entropy=entropy,
            metrics=metrics,
            revocations=revocations,
            bans=parts.bans,
            records=recorder,
            keeper=company.keeper,
        )
        company.start(self._gate)
        revocations.listen(self._gate.revoked)
        parts.bans.listen(self._gate.banned)
        api = HttpApi(
            Services(
                config=config,
                clock=clock,
                verifier=verifier,
                tickets=tickets,
                accounts=accounts,
                matches=parts.bulletin,
                hosting=parts.hosting,
                parties=parties,
                history=records.history,
                boards=records.boards,
                operations=parts.operations,
                bans=parts.bans,
                audit=parts.audit,
                maintenance=nodes.maintenance,
                revocations=revocations,
                replays=Theatre(config, games=games, recordings=base.recordings(keys)),
                metrics=metrics,
                answers=RedisAnswers(redis, prefix=config.redis_prefix, metrics=metrics, keys=keys),
                matchmaking=matchmaking,
                ready=self._not_ready,
                notifier=company.notifier,
                profiles=profiles,
                friends=company.friends,
                figures=console.figures,
                people=console.people,
                letters=records.letters,
            )
        )
        self.http_port = await api.start()
        stack.push_async_callback(api.close)
        self._ws = WsServer(config, traced.around_gate(self._gate), metrics, network=self._network)
        self.ws_port = await self._ws.start()
        stack.push_async_callback(self._ws.close)
        show(base, self._matches, keys, ready=lambda: self._not_ready() is None)
        tell_cloudwatch(stack, base)

    def _not_ready(self) -> str | None:
        return self.node.not_ready() or ("server_full" if self._gate.full else None)

    async def _drain(self) -> None:
        """Close the doors, hand the matches over, send the sessions away, empty the outbox."""
        self.node.change(NodeChange.DRAIN)
        logger.info("draining", extra={"node": self.node.name, "sessions": self._gate.sessions})
        self._ws.stop_accepting()
        self._gate.refuse_new()
        if self._ecs is not None:
            await self._ecs.release()
        hurried = asyncio.get_running_loop().create_task(self._hurried())
        draining = asyncio.get_running_loop().create_task(self._hand_over())
        try:
            await asyncio.wait({hurried, draining}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                draining.result()
        finally:
            hurried.cancel()
            draining.cancel()

    async def _hand_over(self) -> None:
        await self._matchmaker.stop()
        await self._matches.drain(self.config.drain_ms / 1000)
        self._gate.drain()
        try:
            async with asyncio.timeout(_SESSIONS_SETTLE_S):
                await self._gate.settle()
        except TimeoutError:
            logger.warning("sessions did not settle", extra={"sessions": self._gate.sessions})

    def _signalled(self) -> None:
        if self._stop.is_set():
            self._again.set()
        self._stop.set()

    async def _hurried(self) -> None:
        await self._again.wait()
        logger.warning("second signal: the drain ends now", extra={"node": self.node.name})
