"""Which other nodes there are, and which of them is better for a player than this one."""

from __future__ import annotations

import msgspec

from gameserver.game.contract import AnyGame
from gameserver.ports import NodeInfo, OpenMatch

LOAD_GAP = 0.25
"""A match is placed elsewhere only if that spares so much of a core: company and a short way are
worth more than an even load."""
READY = "ready"


class Peers:
    """The other nodes, as of the last heartbeat."""

    def __init__(self) -> None:
        self._infos: dict[str, NodeInfo] = {}

    def update(self, infos: list[NodeInfo], *, own: str) -> None:
        """All nodes as the directory knows them; ``own``: this one."""
        self._infos = {info.name: info for info in infos if info.name != own}

    def __len__(self) -> int:
        return len(self._infos)

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    @property
    def names(self) -> set[str]:
        return set(self._infos)

    @property
    def infos(self) -> list[NodeInfo]:
        """What each of them said last."""
        return list(self._infos.values())

    def open_match(self, game: AnyGame, mode: str) -> tuple[str, OpenMatch] | None:
        """The node and the fullest match there that takes players; of equally full ones the
        first by name, so that all nodes choose the same."""
        return min(
            (
                (name, match)
                for name, info in self._infos.items()
                if info.state == READY
                for match in info.open
                if (match.game, match.mode) == (game.name, mode)
            ),
            key=lambda found: (-found[1].players, found[1].id),
            default=None,
        )

    def sent(self, node: str, match: OpenMatch, game: AnyGame) -> None:
        """A player is on the way to the match: until the next heartbeat it counts as one fuller,
        so that many who come at once fill a match and do not overfill it."""
        fuller = msgspec.structs.replace(match, players=match.players + 1)
        kept = [fuller] if fuller.players < game.modes[match.mode].players_max else []
        self._replace(node, match.id, kept)

    def refused(self, node: str, match: OpenMatch) -> None:
        """It did not take the player: until the next heartbeat nobody is sent there."""
        self._replace(node, match.id, [])

    def _replace(self, node: str, match_id: str, by: list[OpenMatch]) -> None:
        info = self._infos.get(node)
        if info is not None:
            info.open[:] = [match for match in info.open if match.id != match_id] + by

    def calmer(self, load: float, region: str = "") -> str | None:
        """The least loaded node, if it is ``LOAD_GAP`` calmer than ``load``."""
        name = self.calmest(region)
        if name is None or self._infos[name].load + LOAD_GAP > load:
            return None
        return name

    def calmest(self, region: str = "") -> str | None:
        """The least loaded node that takes matches, in ``region`` if that is given; of equal ones
        the one with fewest matches. A node that does not say where it stands will do anywhere."""
        return min(
            (
                name
                for name, info in self._infos.items()
                if info.state == READY and (not region or info.region in ("", region))
            ),
            key=lambda name: (round(self._infos[name].load, 1), self._infos[name].matches, name),
            default=None,
        )
