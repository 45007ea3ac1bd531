"""Questions between nodes where there is one."""

from __future__ import annotations

from gameserver.errors import Unavailable
from gameserver.matchmaking_ports import Handler


class MemoryCalls:
    """Implements ``matchmaking_ports.NodeCalls`` for a node without peers; ``told``: what all
    hear."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.told: list[tuple[str, bytes]] = []

    def serve(self, topic: str, handler: Handler) -> None:
        self.handlers[topic] = handler

    async def call(self, node: str, topic: str, body: bytes) -> bytes:
        if topic not in self.handlers:
            raise Unavailable(f"nobody answers about {topic}")
        return await self.handlers[topic](body)

    def tell_all(self, topic: str, body: bytes) -> None:
        self.told.append((topic, body))
