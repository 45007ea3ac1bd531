"""A part of the composition root: this node among the others."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import NamedTuple

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.redis_bus import RedisBus
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_together import Together
from gameserver.adapters.wall_clock import process_cpu_s
from gameserver.app.parts import Base
from gameserver.cluster.maintenance import MaintenanceWatch
from gameserver.cluster.matches import ClusterMatches
from gameserver.match.service import MatchService
from gameserver.ports import MatchStore


class Nodes(NamedTuple):
    """The matches of all nodes as one, and what nodes know of each other."""

    matches: ClusterMatches
    directory: RedisDirectory
    maintenance: MaintenanceWatch


async def join_nodes(
    stack: AsyncExitStack,
    base: Base,
    *,
    local: MatchService,
    store: MatchStore,
    keys: DataKeys | None,
    together: Together,
) -> Nodes:
    """Start to hear the others and be heard; ``stack`` ends it. Raises ``StoreUnavailable``."""
    config, metrics = base.config, base.metrics
    bus = await stack.enter_async_context(
        RedisBus(config, node=base.node, entropy=base.entropy, metrics=metrics)
    )
    directory = await stack.enter_async_context(
        RedisDirectory.connect(
            config, clock=base.clock, metrics=metrics, keys=keys, together=together
        )
    )
    matches = ClusterMatches(
        config,
        node=base.node,
        local=local,
        store=store,
        bus=bus,
        directory=directory,
        entropy=base.entropy,
        metrics=metrics,
        cpu_s=process_cpu_s,
    )
    maintenance = MaintenanceWatch(
        node=base.node,
        local=local,
        directory=directory,
        clock=base.clock,
        metrics=metrics,
    )
    await maintenance.start()
    stack.push_async_callback(maintenance.stop)
    await bus.subscribed()
    await matches.start()
    stack.push_async_callback(matches.stop)
    return Nodes(matches, directory, maintenance)
