"""Real processes under watch: what they log, how much they hold, whether they live."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import psutil

from gameserver.devstack.programs import Extra, Program
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.fuzz.link import MARK
from tests.fuzz.live import PAYLOAD_MAX, Doors

OURS = ("gameserver", "worker")
PLAYERS = 48
TOKEN_S = 24 * 3600
SETTLE_S = 40.0
_POLL_S = 0.05
FILES_MORE_MAX = 8
"""Connections of the pools to Redis, SQS and PostgreSQL come and go."""
MEMORY_MORE_MAX = 96 * 2**20
SETTINGS = {
    "GAMESERVER_PAYLOAD_BYTES_MAX": str(PAYLOAD_MAX),
    "GAMESERVER_HANDSHAKE_MS": "3000",
    "GAMESERVER_GRACE_MS": "500",
    "GAMESERVER_EMPTY_MATCH_MS": "500",
    "GAMESERVER_CONNECTS_PER_IP_PER_S": "100000",
    "GAMESERVER_AUTH_PER_MINUTE": "1000000",
    "GAMESERVER_AUTH_ANSWER_MS": "1",
    "GAMESERVER_READS_PER_ADDRESS_PER_MINUTE": "1000000",
    "GAMESERVER_WRITES_PER_ADDRESS_PER_MINUTE": "1000000",
    "GAMESERVER_LOG_LEVEL": "debug",
}
"""Limits of rates would hide what lies behind them: they have tests of their own."""
FORESEEN = frozenset({"dead letter", "fork"})
"""Messages of level error that garbage is meant to cause: operators are called for these."""


class Lines:
    """A log, read on from where it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def more(self) -> list[str]:
        """The lines since then."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._at += end
        return data[:end].decode(errors="replace").splitlines()


def alarming(line: str) -> str | None:
    """What is wrong about a line of a log: an error that nobody has foreseen, or no log line."""
    try:
        fields: dict[str, Any] = json.loads(line)
        level, message = fields["level"], fields["message"]
    except (ValueError, KeyError, TypeError):
        return f"no line of a log: {line:.300}"
    if level in ("error", "critical") and message not in FORESEEN:
        return f"{level}: {message}: {str(fields.get('error', ''))[-700:]}"
    return None


class Watched:
    """A whole stack, with a defect in its server where ``mutation`` is given."""

    def __init__(self, directory: Path, *, mutation: str = "") -> None:
        self.stack = Stack(
            on_free_ports(directory / "stack"),
            extra=Extra(gameserver=SETTINGS, worker={"WORKER_REDRIVE_EVERY_S": "0"}),
            fsync=False,
        )
        if mutation:
            program = cast(Program, self.stack.service("gameserver"))
            program._argv[2:2] = ["tests.fuzz.mutant", mutation]
        self.logged: Counter[str] = Counter()
        """Warnings by message, for people."""
        self._logs = {name: Lines(self.stack.settings.logs / f"{name}.log") for name in OURS}
        self._files = dict.fromkeys(OURS, 0)
        self._memory = dict.fromkeys(OURS, 0)
        self._secrets: list[str] = []
        self.memory_most = 0

    def __enter__(self) -> Watched:
        self.stack.start(progress=lambda name: None)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.kill()

    def doors(self) -> Doors:
        """Where it is, with players of its own."""
        cognito = self.stack.moto.cognito()
        numbers = range(1, PLAYERS + 1)
        ws, http = urlsplit(self.stack.settings.ws_url), urlsplit(self.stack.settings.api_url)
        assert ws.hostname and ws.port and http.port
        tokens = [
            cognito.token(bot_player(n), username=bot_name(n), expires_in_s=TOKEN_S)
            for n in numbers
        ]
        self._secrets = [token.rpartition(".")[2][:40] for token in tokens]
        return Doors(
            host=ws.hostname,
            ws_port=ws.port,
            http_port=http.port,
            players=[bot_player(number) for number in numbers],
            tokens=tokens,
        )

    def revive(self) -> None:
        """Start what has fallen."""
        for service in self.stack.all_fallen():
            service.start()

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def note_usual(self, *, sessions: int) -> None:
        """What is held once only so many sessions are there is what it is to return to."""
        until = time.monotonic() + SETTLE_S
        while self.gauge("sessions") != sessions and time.monotonic() < until:
            time.sleep(_POLL_S)
        for name in OURS:
            process = self._process(name)
            self._files[name] = process.num_fds()
            self._memory[name] = process.memory_info().rss

    def fallen(self) -> list[str]:
        """Programs that have ended, or do not answer."""
        for _ in range(3):
            if self.stack.all_fallen() or all(
                cast(Program, self.stack.service(name)).ready() for name in OURS
            ):
                break
            time.sleep(1)  # It may be about to end, or draw breath.
        else:
            return ["a process does not answer"]
        return [service.obituary() for service in self.stack.all_fallen()]

    def alarms(self) -> list[str]:
        """What the logs have told since they were asked last."""
        found = []
        for name, log in self._logs.items():
            for line in log.more():
                if MARK.search(line.encode()) or any(one in line for one in self._secrets):
                    found.append(f"{name} tells what a session sent, or its token: {line:.300}")
                if '"warning"' in line:
                    self.logged[str(json.loads(line).get("message"))] += 1
                if (wrong := alarming(line)) is not None:
                    found.append(f"{name}: {wrong}")
        return found

    def held(self, *, sessions: int) -> list[str]:
        """Files, sessions and memory that were not given back in time. ``sessions``: who is there
        by right."""
        wrong = self._held(sessions)
        until = time.monotonic() + SETTLE_S
        while wrong and time.monotonic() < until:
            time.sleep(_POLL_S)
            wrong = self._held(sessions)
        return wrong

    def _held(self, sessions: int) -> list[str]:
        found = []
        if (there := self.gauge("sessions")) != sessions:
            found.append(f"{there:g} sessions, where {sessions} are connected")
        for name in OURS:
            process = self._process(name)
            files, memory = process.num_fds(), process.memory_info().rss
            self.memory_most = max(self.memory_most, memory - self._memory[name])
            if files > self._files[name] + FILES_MORE_MAX:
                found.append(f"{name} holds {files} files, it had {self._files[name]}")
            if memory > self._memory[name] + MEMORY_MORE_MAX:
                grown = (memory - self._memory[name]) >> 20
                found.append(f"{name} holds {grown} MiB more than at first")
        return found

    def gauge(self, name: str) -> float:
        """A figure of the server's own."""
        with urllib.request.urlopen(f"{self.stack.settings.api_url}/metrics", timeout=20) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"gameserver_{name} "):
                    return float(line.split()[1])
        raise LookupError(name)

    def _process(self, name: str) -> psutil.Process:
        pid = self.stack.service(name).pid
        if pid is None:
            raise LookupError(name)
        return psutil.Process(pid)

    # ── the worker ───────────────────────────────────────────────────────────────────────────

    def put(self, bodies: list[str]) -> None:
        """Send bodies to the worker's queue."""
        for at in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[at : at + 10])
            ]
            self.stack.sqs.call("SendMessageBatch", QueueUrl=self.stack.queue_url, Entries=entries)

    def left(self) -> int:
        """How many messages the worker has not dealt with."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.stack.sqs.call(
            "GetQueueAttributes", QueueUrl=self.stack.queue_url, AttributeNames=names
        )
        return sum(int(told["Attributes"][name]) for name in names)

    async def stored(self, match: str) -> int:
        """How many events of a match are in PostgreSQL."""
        connection = await asyncpg.connect(self.stack.postgres_dsn)
        try:
            found = await connection.fetchval(
                "SELECT count(*) FROM events WHERE match_id = $1", match
            )
            return int(found)
        finally:
            await connection.close()
