"""What must be true after everything has healed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import redis

from botswarm.check import Comparison, check
from gameserver.devstack.stack import Stack
from tests.chaos.seekers import SIZE_MAX, Report

_POLL_S = 0.5
PLAYING_MIN = 0.25
"""Share of the bots that must be in a match after the healing."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``told`` of all ``stored`` events reached a bot; ``violations`` are sentences."""

    told: int
    stored: int
    matches: int
    violations: list[str]


def judge(
    stack: Stack,
    *,
    ledger: Path,
    swarm: dict[str, Any],
    swarm_exit: int,
    bots: int,
    seekers: Path,
    wait_s: float,
) -> Verdict:
    """Wait up to ``wait_s`` for what is still under way, then look at everything."""
    violations = [*_of_swarm(swarm, swarm_exit, bots), *of_seekers(seekers)]
    until = time.monotonic() + wait_s
    violations += _within(until, lambda: _unforgotten(stack))
    violations += _within(until, lambda: _waiting(stack))
    violations += _within(until, lambda: _queued(stack, stack.queue_url, "the queue"))
    violations += _within(until, lambda: _queued(stack, stack.dead_letters_url, "dead letters"))
    if not ledger.exists():
        return Verdict(told=0, stored=0, matches=0, violations=[*violations, "there is no ledger"])
    comparison: Comparison = asyncio.run(
        check(ledger, dsn=stack.postgres_dsn, wait_s=max(1.0, until - time.monotonic()))
    )
    violations += comparison.differences
    stored, gaps = asyncio.run(_gaps(stack.postgres_dsn))
    return Verdict(
        told=comparison.events_told,
        stored=stored,
        matches=comparison.matches,
        violations=violations + gaps,
    )


def _of_swarm(swarm: dict[str, Any], swarm_exit: int, bots: int) -> list[str]:
    """Promises that a bot has seen broken, and bots that did not come back."""
    if not swarm:
        return [f"the swarm has left no report (exit code {swarm_exit})"]
    errors: dict[str, int] = swarm["errors"]
    broken = {kind: count for kind, count in errors.items() if kind.startswith("protocol:")}
    found = [f"{count} times {kind}" for kind, count in sorted(broken.items())]
    counts = swarm["counts"]
    # Between two matches a bot is in none for a moment, and all of a room are so together.
    if counts["playing_at_end"] < PLAYING_MIN * bots or counts["given_up"]:
        found.append(
            f"of {bots} bots {counts['playing_at_end']} play, {counts['given_up']} have given up"
        )
    if swarm_exit and not found:
        found.append(f"the swarm's exit code is {swarm_exit}")
    return found


def of_seekers(path: Path) -> list[str]:
    """Broken promises of matchmaking, as its players have written them down."""
    if not path.exists():
        return ["the players of matchmaking have left no report"]
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    found = list(report.broken)
    matches: dict[str, set[str]] = {}
    for ticket, told in report.told.items():
        if len(set(told)) > 1:
            found.append(f"ticket {ticket} was told of {sorted(set(told))}")
        matches.setdefault(told[0], set()).add(ticket)
    found += [
        f"match {match} has {len(tickets)} tickets"
        for match, tickets in matches.items()
        if len(tickets) > SIZE_MAX
    ]
    if not report.told or not report.seated:
        found.append(f"{len(report.told)} tickets were matched, {report.seated} players seated")
    return found


def _within(until: float, look: Callable[[], list[str]]) -> list[str]:
    while (found := look()) and time.monotonic() < until:
        time.sleep(_POLL_S)
    return found


def _unforgotten(stack: Stack) -> list[str]:
    """Matches that are still in Redis though nobody plays any more."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        left = client.smembers("gs:open")
    names = sorted(name.decode() for name in left)
    return [f"{len(names)} matches are still open: {names[:3]}"] if names else []


def _waiting(stack: Stack) -> list[str]:
    """Tickets that are still under way though all were given up: nobody works on them."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        left = {
            key.decode(): client.hlen(key)
            for kind in "wbp"
            for key in client.scan_iter(f"gs:{{q:*}}:{kind}")
        }
    return [f"{count} tickets are stuck in {key}" for key, count in sorted(left.items()) if count]


def _queued(stack: Stack, url: str, name: str) -> list[str]:
    answer = stack.sqs.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    count = sum(
        int(value)
        for attribute, value in answer["Attributes"].items()
        if attribute.startswith("ApproximateNumberOfMessages")
    )
    return [f"{count} messages are in {name}"] if count else []


async def _gaps(dsn: str) -> tuple[int, list[str]]:
    """How many events are stored, and matches whose numbers are not 1, 2, 3 …"""
    connection = await asyncpg.connect(dsn)
    try:
        stored = await connection.fetchval("SELECT count(*) FROM events")
        rows = await connection.fetch(
            "SELECT match_id, count(*) AS found, max(seq) AS last FROM events "
            "GROUP BY match_id HAVING count(*) <> max(seq) OR min(seq) <> 1"
        )
    finally:
        await connection.close()
    gaps = [f"match {row['match_id']}: {row['found']} events up to {row['last']}" for row in rows]
    return int(stored), gaps
