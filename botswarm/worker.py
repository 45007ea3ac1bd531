"""A child process of the swarm: ``python -m botswarm.worker``, started by ``processes``.

    stdin   [length][Share as msgpack], then nothing; its end means stop
    stdout  [length][Progress], … , [length][Result or Failed]

The pipes also bind the child to its parent: when the parent dies, the child stops.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import uvloop

from botswarm.settings import Share
from botswarm.stats import Progress
from botswarm.swarm import Result, Swarm
from gameserver.errors import ConfigError

LENGTH_BYTES = 4
STDIO_BYTES_MAX = 1 << 30


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The share could not be run at all."""

    message: str


ToParent = Progress | Result | Failed


def pack(message: msgspec.Struct) -> bytes:
    """A message on a pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def read_packed(reader: asyncio.StreamReader) -> bytes:
    """The next message's bytes. Raises ``asyncio.IncompleteReadError`` at the end."""
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    if length > STDIO_BYTES_MAX:
        raise ValueError(f"a message of {length} bytes on a pipe of the swarm")
    return await reader.readexactly(length)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    share = msgspec.msgpack.decode(await read_packed(reader), type=Share)
    out = sys.stdout.buffer

    stop = asyncio.Event()

    def tell(message: msgspec.Struct) -> None:
        try:
            out.write(pack(message))
            out.flush()
        except BrokenPipeError:
            stop.set()  # The parent is dead: the bots say goodbye all the same.

    async def watch_parent() -> None:
        await reader.read()
        stop.set()

    watcher = asyncio.create_task(watch_parent())
    try:
        tell(await Swarm(share).run(progress=tell, stop=stop))
    except ConfigError as error:
        tell(Failed(str(error)))
    finally:
        watcher.cancel()


if __name__ == "__main__":
    uvloop.run(_main())
