"""Players wherever they are connected, as parts of a node; ``root`` joins them with the rest."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.dynamodb import DynamoDb
from gameserver.adapters.dynamodb_friends import DynamoFriends
from gameserver.adapters.redis_connected import RedisConnected
from gameserver.app.parts import Base
from gameserver.cache.port import Cache
from gameserver.cluster.matches import ClusterMatches
from gameserver.matchmaking_ports import Matchmaking
from gameserver.players.finder import PlayerFinder
from gameserver.players.friends import Bounds, Friends
from gameserver.players.keeper import Keeper
from gameserver.players.notifier import PlayerNotifier
from gameserver.players.port import ProfileDesk
from gameserver.whereabouts import SessionPolicy, SessionsHere


@dataclass(frozen=True, slots=True)
class Company:
    """Built before the sockets' gate, which ``start`` is given. ``friends``: ``None`` where no
    table is set for them."""

    keeper: Keeper
    notifier: PlayerNotifier
    finder: PlayerFinder
    friends: Friends | None

    @classmethod
    async def build(
        cls,
        base: Base,
        stack: AsyncExitStack,
        *,
        cluster: ClusterMatches,
        queues: Matchmaking,
        keys: DataKeys | None,
        cache: Cache,
        known: ProfileDesk | None,
    ) -> Company:
        """``known``: tells players that there are from others. Raises ``StoreUnavailable``."""
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
        finder, friends = PlayerFinder(store, queues), None
        if config.friends_table:
            db = await stack.enter_async_context(DynamoDb(config, metrics=base.metrics))
            friends = Friends(
                DynamoFriends(db, table=config.friends_table),
                finder,
                notifier,
                cache,
                profiles=known,
                bounds=Bounds(
                    friends=config.friends_max,
                    requests=config.friend_requests_max,
                    blocks=config.blocks_max,
                ),
                clock=base.clock,
                blocks_ttl_ms=config.profile_ttl_ms,
            )
        return cls(keeper=keeper, notifier=notifier, finder=finder, friends=friends)

    def start(self, here: SessionsHere) -> None:
        """``here``: the sockets of this node."""
        self.keeper.start(here)
        self.notifier.start(here)
