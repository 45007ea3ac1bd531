"""What must hold once a world has healed. Each raises ``Violated``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.fakes.clock import EPOCH_MS
from tests.sim.checkers import Violated
from tests.sim.client import Client

if TYPE_CHECKING:
    from tests.sim.world import World


def ticks(world: World) -> dict[str, int]:
    """Where the matches stand that are not over."""
    return {
        info.id: info.tick
        for node in world.open_nodes
        for info in node.service.listing()
        if info.state != "ended"
    }


def check_liveness(world: World, clients: Sequence[Client]) -> None:
    """No match is paused, and every player has seen something lately."""
    paused = [
        info
        for node in world.open_nodes
        for info in node.service.listing()
        if info.state == "paused"
    ]
    if paused:
        raise Violated(f"still paused after healing: {paused}")
    for client in clients:
        if world.loop.time() - client.framed_at > 10:
            raise Violated(f"{client.name} has seen nothing for 10 s after healing")


def check_progress(world: World, before: dict[str, int]) -> None:
    """Every match has moved since it stood at ``before``."""
    for match_id, tick in ticks(world).items():
        if tick <= before.get(match_id, -1):
            raise Violated(f"{match_id} stands at {tick}")


def check_queues_move(world: World) -> None:
    """Of the players of matchmaking, nearly all have waited in fine weather for long."""
    now_ms = EPOCH_MS + world.loop.time() * 1000
    for queue, line in world.matchmaking.lines.items():
        old = [one for one in line.waiting.values() if now_ms - one.enqueued_ms > 10_000]
        if len(old) > 1:
            raise Violated(f"{queue}: {len(old)} tickets wait though they fit")


def check_end(world: World) -> None:
    """Everyone has left: nothing is."""
    if world.matchmaking.under_way() or world.matchmaking.active():
        raise Violated(
            f"proposals that come to no end: {world.matchmaking.under_way()[:5]}; tickets that "
            f"wait for nobody: {world.matchmaking.active()[:3]}"
        )
    left = {match_id: row for match_id, row in world.store.rows.items() if not row.forgotten}
    if left or world.store.open:
        raise Violated(f"not forgotten after everyone has left: {list(left)[:5]}")
    if world.dead_letters.bodies:
        raise Violated(f"dead letters: {[each.body[:300] for each in world.dead_letters.bodies]}")
    if len(world.queue):
        raise Violated(f"{len(world.queue)} messages are left in the queue")
    failed = [node.name for node in world.nodes if node.metrics.matchmakers_failed]
    if failed:
        raise Violated(f"matchmaking met a defect on {failed}")
    for checker in world.checkers:
        checker.healed(world.sink)
