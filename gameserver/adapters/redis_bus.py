"""Messages between nodes over Redis pub/sub: one channel for each node's inbox.

    send ──► what waits for each node ──(one PUBLISH each, all in one pipeline)──► Redis
    Redis ──► Batch{sender, life, number, messages} ──► receiver, in order

Pub/sub delivers at most once and says nothing of what it lost. So every batch between two nodes has
a number: a gap, another life of the sender, or a connection of our own that had to be made anew is
told as ``interrupted``, and both sides begin anew from what the match remembers.

A connection that has come of age is replaced by one that hears already:

    new one: subscribed ──► old one: ping … pong ──► new one: ping … pong
                            all from before it       twice until here, once told
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Self, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from gameserver.adapters.redis_client import FAILURES, AnyServer
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.ports import BusReceiver, Entropy

logger = logging.getLogger(__name__)

WAITING_BYTES_MAX = 4_194_304
"""For one node. Over it everything that waits for that node is dropped, which it will notice: who
is so far behind is better off with the newest state than with all of the old."""
RETRY_S = 0.2
PEERS_MAX = 1_000


class _Batch(msgspec.Struct, array_like=True):
    sender: str
    life: int
    number: int
    messages: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Batch).decode


class _Waiting:
    """What waits for one node; ``replaceable``: where the newest of each kind stands."""

    __slots__ = ("bytes", "messages", "replaceable")

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.replaceable: dict[str, int] = {}
        self.bytes = 0


CONNECTIONS_MAX = 4
LISTEN_S = 1.0
SILENT_MAX = 4
"""So many pings, ``LISTEN_S`` apart, may stay unanswered."""


class RedisBus:
    """Implements ``ports.NodeBus``, to be used as ``async with``."""

    def __init__(self, config: Config, *, node: str, entropy: Entropy, metrics: Metrics) -> None:
        self._node = node
        self._life = entropy.seed()
        self._entropy = entropy
        self._metrics = metrics
        self._prefix = f"{config.redis_prefix}:to:"
        self._server = AnyServer(config, name="gameserver-bus", connections_max=CONNECTIONS_MAX)
        self._waiting: dict[str, _Waiting] = {}
        self._numbers: dict[str, int] = {}
        self._expected: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._receiver: BusReceiver | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._subscribed = asyncio.Event()
        self._heard_twice = False

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._publish()), loop.create_task(self._subscribe())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.aclose()

    def listen(self, receiver: BusReceiver) -> None:
        """See ``ports.NodeBus``."""
        self._receiver = receiver

    async def subscribed(self) -> None:
        """Wait until messages to this node arrive."""
        await self._subscribed.wait()

    def send(self, node: str, message: bytes, *, replaces: str = "") -> None:
        """See ``ports.NodeBus``."""
        waiting = self._waiting.get(node)
        if waiting is None:
            waiting = self._waiting[node] = _Waiting()
            self._wake.set()
        if replaces and (place := waiting.replaceable.get(replaces)) is not None:
            waiting.bytes += len(message) - len(waiting.messages[place])
            waiting.messages[place] = message
            return
        if waiting.bytes + len(message) > WAITING_BYTES_MAX:
            logger.warning("messages dropped", extra={"to": node, "bytes": waiting.bytes})
            self._waiting[node] = waiting = _Waiting()
            self._numbers[node] = self._numbers.get(node, 0) + 1  # A gap that it will see.
        if replaces:
            waiting.replaceable[replaces] = len(waiting.messages)
        waiting.messages.append(message)
        waiting.bytes += len(message)

    # ── out ──────────────────────────────────────────────────────────────────────────────────

    async def _publish(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken, self._waiting = self._waiting, {}
            client = self._server.client
            try:
                pipeline = client.pipeline(transaction=False)
                for node, waiting in taken.items():
                    pipeline.publish(self._prefix + node, self._batch(node, waiting))
                await pipeline.execute()
            except FAILURES as error:
                # They may or may not have arrived; the next numbers tell the others.
                logger.warning("messages to nodes failed", extra={"error": str(error)})
                self._metrics.store_errors += 1
                for node in taken:
                    self._numbers[node] = self._numbers.get(node, 0) + 1
                await self._server.move(client)
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))

    def _batch(self, node: str, waiting: _Waiting) -> bytes:
        if node not in self._numbers and len(self._numbers) >= PEERS_MAX:
            self._numbers.pop(next(iter(self._numbers)))
        number = self._numbers[node] = self._numbers.get(node, 0) + 1
        return _encode(_Batch(self._node, self._life, number, waiting.messages))

    # ── in ───────────────────────────────────────────────────────────────────────────────────

    async def _subscribe(self) -> None:
        channel = self._prefix + self._node
        while True:
            client = self._server.client
            pubsub = client.pubsub(ignore_subscribe_messages=False)
            try:
                await pubsub.subscribe(channel)
                await self._server.learn()
                while await self._listen(pubsub, client):
                    pubsub = await self._renewed(pubsub, client)
            except FAILURES as error:
                logger.warning("messages from nodes failed", extra={"error": str(error)})
                self._metrics.store_errors += 1
                await self._server.move(client)
            finally:
                self._subscribed.clear()
                await cast(Any, pubsub).aclose()
            self._interrupt_all()
            await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))

    async def _listen(self, pubsub: PubSub, client: Redis) -> bool:
        """Until another server is to be listened to: false; or to this one by another connection:
        true. Raises where it says nothing at all."""
        silent = 0
        while self._server.client is client:
            if cast(Any, pubsub).connection.should_reconnect():
                return True
            kind = await self._hear(pubsub)
            if kind:
                silent = 0
                continue
            silent += 1
            if silent > SILENT_MAX:
                raise TimeoutError(f"no answer to {SILENT_MAX} pings")
            await cast(Any, pubsub).ping()
        return False

    async def _hear(self, pubsub: PubSub) -> str:
        """Take the next message; its type, which is empty where there was none for a while."""
        # The time limit is for the read of one message; nothing to read is no error.
        message = await cast(Any, pubsub).get_message(timeout=LISTEN_S)
        if message is None:
            return ""
        if message["type"] == "subscribe":
            self._subscribed.set()
        elif message["type"] == "message":
            self._received(message["data"])
        return str(message["type"])

    async def _renewed(self, old: PubSub, client: Redis) -> PubSub:
        """Another connection for ``old``, without a gap. Where that fails ``old`` is as it was."""
        new = client.pubsub(ignore_subscribe_messages=False)
        try:
            await new.subscribe(self._prefix + self._node)
            await self._hear_until("subscribe", new)
            await cast(Any, old).ping()
            await self._hear_until("pong", old)
            self._heard_twice = True
            await cast(Any, new).ping()
            await self._hear_until("pong", new)
        except BaseException:
            await cast(Any, new).aclose()
            raise
        finally:
            self._heard_twice = False
        await cast(Any, old).aclose()
        return new

    async def _hear_until(self, kind: str, pubsub: PubSub) -> None:
        while (heard := await self._hear(pubsub)) != kind:
            if not heard:
                raise TimeoutError(f"no {kind} from a new connection")

    def _received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            batch = _decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            logger.warning("batch not understood", extra={"error": str(error)})
            return
        expected = self._expected.get(batch.sender)
        if self._heard_twice and expected is not None:
            life, number = expected
            if batch.life == life and batch.number < number:
                return
        if expected is not None and expected != (batch.life, batch.number):
            receiver.interrupted(batch.sender)
        if expected is None and len(self._expected) >= PEERS_MAX:
            self._expected.pop(next(iter(self._expected)))
        self._expected[batch.sender] = (batch.life, batch.number + 1)
        for message in batch.messages:
            try:
                receiver.received(batch.sender, message)
            except Exception:
                logger.exception("a message failed", extra={"from": batch.sender})

    def _interrupt_all(self) -> None:
        senders = list(self._expected)
        self._expected.clear()
        if self._receiver is not None:
            for sender in senders:
                self._receiver.interrupted(sender)
