"""``bench.cluster``: its calls are the production adapters', and they are counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bench import cluster
from bench.cluster import Cost, Gauge, heartbeat, note, sweep
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    monkeypatch.setattr(cluster, "MEASURED_S", 0.05)
    monkeypatch.setattr(cluster, "MATCHES", 1_000)
    valkey = Valkey(port=free_port(), data=tmp_path / "valkey", log=tmp_path / "valkey.log")
    valkey.start()
    yield valkey
    valkey.stop()


async def test_every_call_is_counted(service: Valkey) -> None:
    config = Config(redis_url=service.url, redis_prefix="b")
    assert service.pid is not None
    async with Redis.from_url(service.url) as client:
        gauge = Gauge([service.pid], [client])
        few: Cost = await heartbeat(config, gauge, 3, 8)
        many = await heartbeat(config, gauge, 30, 8)
        assert 0 < few.sent_bytes < many.sent_bytes
        asked, looked_at = await sweep(config, gauge)
        assert 0 < asked.server_us < looked_at.server_us
        told = await note(config, gauge, service.port, 10)
        assert told.sent_bytes > cluster.NOTE_BYTES
