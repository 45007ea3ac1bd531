"""A part of the composition root: what is known of, and done in, the whole cluster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.passwords import ScryptPasswords
from gameserver.adapters.redis_audit import RedisAudit
from gameserver.adapters.redis_bans import RedisBans
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_codes import RedisCodes
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_together import Together
from gameserver.cluster.bans import BanWatch
from gameserver.cluster.bulletin import ClusterBulletin
from gameserver.cluster.host import ClusterHost
from gameserver.cluster.matches import ClusterMatches
from gameserver.cluster.operations import ClusterOperations
from gameserver.config import Config
from gameserver.ids import PlayerId
from gameserver.match.operations import LocalOperations
from gameserver.match.service import MatchService
from gameserver.metrics import Metrics
from gameserver.operating import Ban
from gameserver.ports import Clock, Entropy, MatchStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the parts are built on. ``redis``: a client that does not hold up commits;
    ``together``: for what is asked every so often; ``keys``: what is stored is sealed with, if it
    is."""

    config: Config
    node: str
    matches: MatchService
    cluster: ClusterMatches
    store: MatchStore
    directory: RedisDirectory
    redis: Client
    together: Together
    keys: DataKeys | None
    clock: Clock
    entropy: Entropy
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterParts:
    """For the HTTP API and the gate."""

    bulletin: ClusterBulletin
    hosting: ClusterHost
    operations: ClusterOperations
    bans: BanWatch
    audit: RedisAudit


async def build_cluster(
    stack: AsyncExitStack,
    basis: Basis,
    *,
    close_sockets: Callable[[PlayerId, str], int],
    drain: Callable[[], None],
) -> ClusterParts:
    """Start the parts; ``stack`` stops them. ``close_sockets``: closes a player's sockets on this
    node; ``drain``: lets it begin to drain. Raises ``StoreUnavailable``."""
    config, cluster, metrics = basis.config, basis.cluster, basis.metrics
    prefix = config.redis_prefix
    bulletin = ClusterBulletin(
        node=basis.node,
        local=basis.matches,
        directory=basis.directory,
        peers=cluster.peers,
        entropy=basis.entropy,
    )
    await bulletin.start()
    stack.push_async_callback(bulletin.stop)
    bans = BanWatch(
        RedisBans(
            basis.redis,
            prefix=prefix,
            metrics=metrics,
            keys=basis.keys,
            together=basis.together,
        ),
        calls=cluster.calls,
        clock=basis.clock,
        metrics=metrics,
    )
    desk = basis.matches.operations
    bans.listen(lambda ban: _put_out(desk, ban))
    cluster.door.banned = bans.of
    await bans.start()
    stack.push_async_callback(bans.stop)
    host = ClusterHost(
        node=basis.node,
        desk=basis.matches.hosting,
        local=basis.matches,
        store=basis.store,
        peers=cluster.peers,
        calls=cluster.calls,
        codes=RedisCodes(basis.redis, prefix=prefix, metrics=metrics),
        passwords=ScryptPasswords(),
        clock=basis.clock,
        entropy=basis.entropy,
        load=lambda: cluster.load,
        changed=bulletin.forget,
    )
    cluster.door.by_code = host.seat_by_code
    await host.start()
    stack.push_async_callback(host.stop)
    return ClusterParts(
        bulletin=bulletin,
        hosting=host,
        operations=ClusterOperations(
            node=basis.node,
            desk=desk,
            store=basis.store,
            peers=cluster.peers,
            calls=cluster.calls,
            info=lambda: cluster.info,
            runs=basis.matches.runs,
            close_sockets=close_sockets,
            drain=drain,
        ),
        bans=bans,
        audit=RedisAudit(
            basis.redis,
            prefix=prefix,
            entries_max=config.audit_entries_max,
            metrics=metrics,
            keys=basis.keys,
        ),
    )


def _put_out(desk: LocalOperations, ban: Ban) -> None:
    desk.kick_player(ban.player)
