"""A part of the composition root: how players come together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_matchmaking import RedisMatchmaking
from gameserver.adapters.redis_parties import RedisParties
from gameserver.adapters.redis_together import Together
from gameserver.app.parts import Base
from gameserver.cluster.matches import ClusterMatches
from gameserver.cluster.venue import ClusterVenue
from gameserver.friendship import Blocks
from gameserver.hosting import Hosting
from gameserver.ids import PlayerId
from gameserver.lobby.entry import Lobby
from gameserver.lobby.matchmaker import Matchmaker
from gameserver.lobby.party_desk import PartyDesk
from gameserver.lobby.party_watch import PartyWatch
from gameserver.lobby.teller import Deliver, Teller
from gameserver.matchmaking_ports import Matchmaking, Ratings
from gameserver.parties import PartyNews
from gameserver.ports import LocalMatches, MatchStore


async def build_matchmaking(
    stack: AsyncExitStack,
    base: Base,
    *,
    matches: MatchStore,
    local: LocalMatches,
    cluster: ClusterMatches,
    ratings: Ratings,
    together: Together,
    deliver: Deliver,
) -> tuple[Matchmaker, Lobby]:
    """The node's side and the players'; ``stack`` stops them. ``deliver``: tells a player on this
    node. Raises ``StoreUnavailable``."""
    config, metrics = base.config, base.metrics
    store = await stack.enter_async_context(
        RedisMatchmaking.connect(config, metrics=metrics, together=together)
    )
    matchmaker = Matchmaker(
        node=base.node,
        games=local.games,
        store=store,
        venue=ClusterVenue(
            node=base.node,
            region=config.region,
            local=local,
            store=matches,
            peers=cluster.peers,
            calls=cluster.calls,
            load=lambda: cluster.load,
        ),
        updates=Teller(cluster.calls, deliver),
        calls=cluster.calls,
        entropy=base.entropy,
        metrics=metrics,
        lease_ttl_ms=config.lease_ttl_ms,
        failed=local.fail,
    )
    await matchmaker.start()
    stack.push_async_callback(matchmaker.stop)
    return matchmaker, Lobby(
        games=local.games,
        store=store,
        ratings=ratings,
        calls=cluster.calls,
        metrics=metrics,
        closed=lambda: None if local.maintenance is None else local.maintenance.message,
    )


async def build_parties(
    stack: AsyncExitStack,
    base: Base,
    redis: Client,
    *,
    news: PartyNews,
    matchmaking: Matchmaking,
    hosting: Hosting,
    players: Callable[[], Sequence[PlayerId]],
    blocks: Blocks | None,
) -> PartyDesk:
    """``redis``: a client that does not hold up commits; ``players``: who is connected to this
    node."""
    config = base.config
    store = RedisParties(
        redis,
        prefix=config.redis_prefix,
        away_ms=config.party_away_ms,
        metrics=base.metrics,
    )
    watch = PartyWatch(store, players=players, away_ms=config.party_away_ms, entropy=base.entropy)
    await watch.start()
    stack.push_async_callback(watch.stop)
    return PartyDesk(
        store=store,
        news=news,
        matchmaking=matchmaking,
        hosting=hosting,
        clock=base.clock,
        entropy=base.entropy,
        size_max=config.party_size_max,
        invite_ms=config.party_invite_ms,
        blocks=blocks,
    )
