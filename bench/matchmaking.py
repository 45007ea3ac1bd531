"""20,000 tickets in one queue: how fast they are taken, and matched, with a real store.

    python -m bench.matchmaking [--tickets N] [--out FILE]

The matchmaker is the production one over Valkey: it reads the queue, forms, claims under its fence,
and assigns. Only the opening of the matches is left out (the venue says yes at once), because that
is the nodes' work, of which there are many. Beside it the forming alone, and the same done naively.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench import machine
from bench.peers import matchmaking as naive
from gameserver.adapters.redis_matchmaking import RedisMatchmaking
from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.devstack.valkey import Valkey
from gameserver.game.matchmaking import Choice, Latency, Role, Rules, Skill
from gameserver.ids import MatchId
from gameserver.lobby.crowd import Crowd, arrivals
from gameserver.lobby.form import form
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Compiled
from gameserver.lobby.table import Lost, Table
from gameserver.matchmaking import Proposal, Queue, Taken, Ticket, Update, Vacancy
from gameserver.metrics import Metrics

OUT = Path(__file__).parent / "results" / "matchmaking.md"
QUEUE = Queue("bench", "ranked")
AT_ONCE = 32
NAIVE_S = 60.0
MEASURED = 0.9
"""Share of the tickets after which the clock stops: the last ones wait for wider windows."""
GIVEN_UP_S = 60.0
PLAIN = Rules(
    teams=2,
    team_size=4,
    party_max=4,
    skill=Skill(),
    latency=Latency(regions=("eu", "us", "ap"), limit_ms=60, widen_per_s=2, limit_ms_max=180),
    required=(Choice("map", ("desert", "forest", "harbour")),),
)
ROLES = msgspec.structs.replace(PLAIN, roles=(Role("healer"), Role("tank")))


class Yes:
    """Implements ``matchmaking_ports.Venue``."""

    async def open(self, queue: Queue, proposal: Proposal, *, arrive_ms: int) -> bool:
        return True

    def vacancies(self) -> Mapping[Queue, Sequence[Vacancy]]:
        return {}


class Nobody:
    """Implements ``matchmaking_ports.TicketUpdates``."""

    def tell(self, updates: Sequence[Update]) -> None:
        """Nobody listens."""


def crowd(rules: Rules, count: int) -> list[Ticket]:
    """So many tickets, one in five a party, normal skills, three regions."""
    many = arrivals(rules, Crowd(players=4 * count, rate=1000, seed=7))
    return [one.ticket for one in itertools.islice(many, count)]


def forming(rules: Rules, tickets: list[Ticket]) -> tuple[int, float, float]:
    """Of the core alone: tickets matched, s to index them all, s to form."""
    pool = Pool(Compiled(rules))
    began = time.perf_counter()
    pool.add_all(tickets)
    indexed = time.perf_counter()
    numbers = itertools.count()
    now_ms = max(one.enqueued_ms for one in tickets)
    made = [one for one in form(pool, now_ms, lambda: MatchId(str(next(numbers)))) if one]
    formed = time.perf_counter()
    return sum(len(one.tickets) for one in made), indexed - began, formed - indexed


async def over_store(url: str, rules: Rules, tickets: list[Ticket]) -> dict[str, float]:
    """Take them all, then match them all."""
    metrics = Metrics()
    config = Config(redis_url=url, redis_prefix=f"b{len(rules.roles)}", redis_timeout_ms=10_000)
    async with RedisMatchmaking.connect(config, metrics=metrics) as store:
        began = time.perf_counter()
        coming = iter(tickets)

        async def take() -> None:
            for ticket in coming:
                taken = await store.enqueue(QUEUE, ticket, tickets_max=1_000_000)
                if taken not in (Taken.TAKEN, Taken.FIRST):
                    raise RuntimeError("a ticket was not taken")

        await asyncio.gather(*(take() for _ in range(AT_ONCE)))
        taken_s = time.perf_counter() - began
        mastery = await store.lead(QUEUE, owner="bench", lease_ttl_ms=60_000)
        if mastery is None:
            raise Lost
        table = Table(
            QUEUE,
            rules,
            mastery,
            store=store,
            venue=Yes(),
            updates=Nobody(),
            entropy=SystemEntropy(),
            metrics=metrics,
            lease_ttl_ms=60_000,
        )
        began, cpu_s = time.perf_counter(), time.process_time()
        running = asyncio.ensure_future(table.run())
        wanted = MEASURED * len(tickets)
        while metrics.tickets_matched < wanted:
            await asyncio.sleep(0.02)
            if time.perf_counter() > began + GIVEN_UP_S:
                break
        matched, at_s = metrics.tickets_matched, time.perf_counter() - began
        used_s = time.process_time() - cpu_s
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        overview = await store.overview(QUEUE)
    return {
        "taken_s": taken_s,
        "matched": matched,
        "matches": metrics.matches_formed,
        "matched_s": at_s,
        "cpu_s": used_s,
        "left": overview.waiting + overview.proposed,
    }


def line(name: str, matched: float, seconds: float) -> str:
    return f"| {name} | {matched:,.0f} | {seconds:.2f} | {matched / seconds:,.0f} |"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    place = machine.place()
    facts = "; ".join(f"{name} {value}" for name, value in machine.facts().items())
    lines = [
        f"# {given.tickets:,} tickets in one queue",
        "",
        f"`python -m bench.matchmaking`; {facts}",
    ]
    lines += ["The matchmaker on one core, Valkey on another. Two teams of four, windows of skill,",
              "three regions, three maps, a fifth of the tickets parties.", ""]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        service = Valkey(
            port=free_port(), data=Path(directory) / "valkey", log=Path(directory) / "valkey.log"
        )
        with machine.on_cores(frozenset({place.generator})):
            service.start()
        try:
            with machine.on_cores(frozenset({place.server})):
                for name, rules in (("without roles", PLAIN), ("two roles", ROLES)):
                    lines += measured(name, rules, service.url, given.tickets)
        finally:
            service.stop()
    given.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def measured(name: str, rules: Rules, url: str, count: int) -> list[str]:
    """One section of the report."""
    tickets = crowd(rules, count)
    found = asyncio.run(over_store(url, rules, tickets))
    matched, indexed_s, formed_s = forming(rules, tickets)
    lines = [
        f"## {name.capitalize()}",
        "",
        "| what | tickets | s | tickets/s |",
        "|---|---|---|---|",
        line("taken (32 calls at once)", count, found["taken_s"]),
        line("matched over the store, to 90 %", found["matched"], found["matched_s"]),
        line("… of CPU of the matchmaker", found["matched"], found["cpu_s"]),
        line("indexed, without a store", count, indexed_s),
        line("formed, without a store", matched, formed_s),
    ]
    if not rules.roles:
        slow, slow_s = naive.form(tickets, rules, tickets[-1].enqueued_ms, seconds=NAIVE_S)
        lines.append(line("formed naively, without a store", slow, slow_s))
    lines += [
        "",
        f"{found['matches']:,} matches; {found['left']:,} tickets had none yet.",
        "",
    ]
    return lines


if __name__ == "__main__":
    main()
