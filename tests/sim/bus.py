"""Messages between nodes as Redis pub/sub gives them: in order, at most once, losses noticed.

What waits goes out as one numbered batch a turn, as ``adapters/redis_bus`` does it; a batch that a
fault swallows is noticed by the number of the next.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

from gameserver.ports import BusReceiver
from tests.sim.faults import Network
from tests.sim.loop import Process


class SimHub:
    """Between the buses of all nodes. ``seen`` is told of every message that a node sends."""

    def __init__(self, network: Network, seen: Callable[[str, bytes], None]) -> None:
        self.network = network
        self.seen = seen
        self.delivered = 0
        self.nodes: dict[str, SimBus] = {}

    def interrupt_all(self) -> None:
        """The connections to Redis were lost: whoever listens must take it that messages were."""
        for bus in self.nodes.values():
            bus.interrupt()


class SimBus:
    """Implements ``ports.NodeBus`` for one node."""

    def __init__(self, hub: SimHub, process: Process) -> None:
        self._hub = hub
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, dict[str | int, bytes]] = {}
        self._count = 0
        self._numbers: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._arrives_at: dict[str, float] = {}
        self._receiver: BusReceiver | None = None
        hub.nodes[process.name] = self

    def listen(self, receiver: BusReceiver) -> None:
        """See ``ports.NodeBus``."""
        self._receiver = receiver

    def send(self, node: str, message: bytes, *, replaces: str = "") -> None:
        """See ``ports.NodeBus``."""
        self._hub.seen(self._process.name, message)
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._count += 1
        self._waiting.setdefault(node, {})[replaces or self._count] = message

    def _flush(self) -> None:
        taken, self._waiting = self._waiting, {}
        weather = self._hub.network.weather
        for node, messages in taken.items():
            number = self._numbers[node] = self._numbers.get(node, 0) + 1
            if weather.random.random() < weather.bus_lost:
                continue
            # One connection: nothing overtakes what was sent before.
            at = max(self._loop.time() + weather.latency_s(), self._arrives_at.get(node, 0.0))
            self._arrives_at[node] = at + 1e-6
            self._loop.call_at(
                at, self._arrive, node, number, [*messages.values()], context=contextvars.Context()
            )

    def _arrive(self, node: str, number: int, messages: list[bytes]) -> None:
        weather = self._hub.network.weather
        other = self._hub.nodes.get(node)
        if other is None or not other._process.alive:
            return
        if not weather.reaches_store(self._process.name) or not weather.reaches_store(node):
            return
        other._process.call_later(0, other._receive, self._process.name, number, messages)

    def _receive(self, sender: str, number: int, messages: list[bytes]) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if self._expected.get(sender, number) != number:
            receiver.interrupted(sender)
        self._expected[sender] = number + 1
        for message in messages:
            self._hub.delivered += 1
            receiver.received(sender, message)

    def interrupt(self) -> None:
        """This node's own subscription was lost, and is back."""
        self._process.call_later(0, self._interrupted)

    def _interrupted(self) -> None:
        senders = list(self._expected)
        self._expected.clear()
        for sender in senders:
            if self._receiver is not None:
                self._receiver.interrupted(sender)
