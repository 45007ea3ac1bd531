"""A part of the composition root: what operators watch and search beyond matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import NamedTuple

from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_figures import RedisFigures
from gameserver.app.parts import Base
from gameserver.app.watch import version
from gameserver.cluster.figures import FigureKeeper
from gameserver.cluster.matches import ClusterMatches
from gameserver.cluster.people import ClusterPeople
from gameserver.cluster.vitals import NodeVitals
from gameserver.match.service import MatchService
from gameserver.ports import Identity


class ConsoleParts(NamedTuple):
    """For the HTTP API."""

    figures: RedisFigures
    people: ClusterPeople


def build_console(
    stack: AsyncExitStack,
    base: Base,
    *,
    redis: Client,
    cluster: ClusterMatches,
    local: MatchService,
    sessions: Callable[[], Iterable[Identity]],
) -> ConsoleParts:
    """Start the parts; ``stack`` stops them. ``sessions``: who has a socket here."""
    cluster.tell_vitals(
        NodeVitals(
            base.metrics,
            version=version(),
            clock=base.clock,
            events=lambda: local.events_unrelayed,
            age_s=lambda: local.oldest_unrelayed_s,
        )
    )
    figures = RedisFigures(
        redis, prefix=base.config.redis_prefix, clock=base.clock, metrics=base.metrics
    )
    keeper = FigureKeeper(
        figures,
        node=base.node,
        nodes=lambda: [cluster.info, *cluster.peers.infos],
        clock=base.clock,
    )
    keeper.start()
    stack.push_async_callback(keeper.stop)
    people = ClusterPeople(
        node=base.node,
        calls=cluster.calls,
        peers=lambda: cluster.peers.names,
        sessions=sessions,
        seats=local.operations.seats,
    )
    return ConsoleParts(figures, people)
