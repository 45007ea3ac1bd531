"""Looks for texts in everything that a running stack has written anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import boto3  # type: ignore[import-untyped]
import redis

from gameserver.devstack.stack import Stack

Found = set[tuple[str, str]]
"""Pairs of a place and a text."""
_ZEROS = bytes(64)


def variants(text: str) -> list[bytes]:
    """The text as UTF-8, UTF-16, hex, and as it looks within base64 at any offset."""
    plain = text.encode()
    found = [plain, text.encode("utf-16-le"), plain.hex().encode()]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        # The characters at both ends also depend on what stands beside the text.
        inner = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        found += [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def without_zeros(data: bytes) -> bytes:
    """Long runs of zeros, of which files of a database mostly consist, as short ones. No variant of
    a text has so many beside one another."""
    return _ZEROS.join(part for part in data.split(_ZEROS) if part)


class Search:
    """All places of a stack: what its services answer, and all files that they have written since
    the search was made (most of PostgreSQL's are those of a new cluster)."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = {
            path: _version(path)
            for directory in self._directories().values()
            for path in directory.rglob("*")
        }

    async def places(self) -> dict[str, bytes]:
        """Everything there is now, by place."""
        found = {"redis": b"\n".join(self._redis())}
        found["queues"] = b"\n".join(self._letters())
        found["postgresql"] = await self._postgres()
        found["dynamodb"] = repr(list(self._dynamo())).encode() + b"".join(self._blobs())
        for name, directory in self._directories().items():
            found[name] = self._files(directory)
        return found

    def _directories(self) -> dict[str, Path]:
        data = self._stack.settings.data
        services = ("valkey", "postgres", "sqs", "moto")
        found = {f"{name}'s files": data / name for name in services}
        return found | {"logs": self._stack.settings.logs}

    def _files(self, directory: Path) -> bytes:
        return b"\n".join(
            without_zeros(path.read_bytes())
            for path in sorted(directory.rglob("*"))
            if path.is_file() and self._before.get(path) != _version(path)
        )

    async def find(self, texts: Iterable[str]) -> Found:
        """Where which text was found."""
        places = await self.places()
        return {
            (place, text)
            for text in texts
            for place, data in places.items()
            if any(variant in data for variant in variants(text))
        }

    def _redis(self) -> Iterator[bytes]:
        with redis.Redis.from_url(self._stack.valkey.url) as client:
            for key in client.scan_iter():
                yield key
                yield client.dump(key) or b""
                # DUMP may compress, so the value is read as well.
                yield from _flat(_value(client, key))

    def _letters(self) -> Iterator[bytes]:
        client = boto3.client(
            "sqs", endpoint_url=self._stack.sqs.endpoint_url, region_name="eu-central-1"
        )
        for url in (self._stack.queue_url, self._stack.dead_letters_url):
            held = []
            while messages := client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5
            ).get("Messages"):
                held += messages
                yield from (message["Body"].encode() for message in messages)
            for message in held:
                client.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )

    async def _postgres(self) -> bytes:
        connection = await asyncpg.connect(self._stack.postgres_dsn)
        try:
            tables = await connection.fetch(
                "SELECT relname FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            lines = []
            for table in tables:
                rows = await connection.fetch(f'SELECT t::text FROM "{table[0]}" AS t')
                lines += [f"{table[0]} {row[0]}" for row in rows]
            return "\n".join(lines).encode()
        finally:
            await connection.close()

    def _dynamo(self) -> Iterator[dict[str, Any]]:
        client = boto3.client(
            "dynamodb", endpoint_url=self._stack.moto.endpoint_url, region_name="eu-central-1"
        )
        for table in client.list_tables()["TableNames"]:
            yield from client.scan(TableName=table)["Items"]

    def _blobs(self) -> Iterator[bytes]:
        for item in self._dynamo():
            yield from (bytes(value["B"]) for value in item.values() if "B" in value)


def _value(client: Any, key: bytes) -> Any:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"hash":
            return client.hgetall(key)
        case b"stream":
            return client.xrange(key)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1)
        case b"list":
            return client.lrange(key, 0, -1)
        case other:
            raise AssertionError(f"{key!r} is a {other!r}: teach the search to read it")


def _flat(value: Any) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case dict():
            for part in value.items():
                yield from _flat(part)
        case list() | tuple() | set():
            for part in value:
                yield from _flat(part)
        case _:
            yield str(value).encode()


def _version(path: Path) -> tuple[int, int] | None:
    """Another one after each writing; ``None`` if the file has gone."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return None
    return now.st_mtime_ns, now.st_size
