"""Players wherever they are connected, as parts of a node; ``app`` joins them with the rest."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_connected import RedisConnected
from gameserver.cluster.matches import ClusterMatches
from gameserver.matchmaking_ports import Matchmaking
from gameserver.parts import Base
from gameserver.players.finder import PlayerFinder
from gameserver.players.keeper import Keeper
from gameserver.players.notifier import PlayerNotifier
from gameserver.whereabouts import SessionPolicy, SessionsHere


@dataclass(frozen=True, slots=True)
class Company:
    """Built before the sockets' gate, which ``start`` is given."""

    keeper: Keeper
    notifier: PlayerNotifier
    finder: PlayerFinder

    @classmethod
    async def build(
        cls,
        base: Base,
        stack: AsyncExitStack,
        *,
        cluster: ClusterMatches,
        queues: Matchmaking,
        keys: DataKeys | None,
    ) -> Company:
        """Raises ``StoreUnavailable``."""
        config, policy = base.config, SessionPolicy(base.config.session_policy)
        store = await stack.enter_async_context(
            RedisConnected.connect(config, metrics=base.metrics, keys=keys)
        )
        keeper = Keeper(
            store,
            cluster.calls,
            node=base.node,
            peers=lambda: cluster.peers.names,
            policy=policy,
            lease_ms=config.session_lease_ms,
            clock=base.clock,
            entropy=base.entropy,
            metrics=base.metrics,
        )
        notifier = PlayerNotifier(
            store,
            cluster.calls,
            policy=policy,
            per_minute=config.notifications_per_minute,
            clock=base.clock,
            entropy=base.entropy,
            metrics=base.metrics,
        )
        stack.push_async_callback(keeper.stop)
        stack.push_async_callback(notifier.stop)
        return cls(keeper=keeper, notifier=notifier, finder=PlayerFinder(store, queues))

    def start(self, here: SessionsHere) -> None:
        """``here``: the sockets of this node."""
        self.keeper.start(here)
        self.notifier.start(here)
