"""docs/capacity.md, and what the command prints, made of the model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deploy.capacity.figures import (
    CONNECT_MS,
    DISTRIBUTION_GBIT,
    FIGURES,
    PAUSE_S,
    REQUESTS_PER_S,
    TOKENS_PER_S,
    Figure,
)
from deploy.capacity.model import (
    ARENA,
    ASSUMED,
    MEANING,
    PARTS,
    Cell,
    Game,
    Part,
    commits,
    core_one_lost,
    elastic,
    events_per_s,
    first,
    heartbeats,
    monthly_sqs,
    news,
    plan,
    share_of_shared,
    sweeps,
    valkey_core,
    workers,
)
from deploy.cost import prices
from deploy.cost.model import SERVER_CPU, SIZES, WORKER_CPU

PLAYERS = (1_000, 100_000, 1_000_000, 10_000_000)
_SMALL, _LARGE = (Cell(game=ARENA, size=SIZES[name]) for name in ("small", "large"))
_FULL = SIZES["large"].play.peak
_AGAIN_S = ARENA.per_server * CONNECT_MS.value / 1000
_ONE_LOST = core_one_lost(_SMALL, SIZES["small"].play.peak)
_CORE = valkey_core(_LARGE, _FULL)
_CELLS = tuple(plan(count).cells for count in PLAYERS[2:])
_BYTES = share_of_shared(plan(PLAYERS[-1]))
_COMMITS = commits(_LARGE, _FULL)
_FIRST, _most = first(_LARGE)
_HELD = _most // 1_000 * 1_000


def document() -> str:
    """The whole page, for the arena."""
    parts = [
        _HEAD,
        plans(PLAYERS, ARENA),
        _AFTER_PLANS,
        ways(ARENA),
        _AFTER_WAYS,
        alone(PLAYERS, ARENA),
        _AFTER_ALONE,
        account(PLAYERS, ARENA),
        _BEFORE_FIGURES,
        _figures(),
        _FOOT,
    ]
    return re.sub("\n{3,}", "\n\n", "\n".join(parts))


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """The first row is the head; columns from ``left`` on hold figures."""
    head, *body = rows
    rule = ["---" if column < left else "--:" for column in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))


def _many(number: float) -> str:
    return f"{number / 1e6:,.0f} M" if number >= 1e6 else f"{number:,.0f}"


def plans(players: Sequence[int], game: Game) -> str:
    """What is run at each number of players, and what it costs."""
    columns = []
    for one in (plan(count, game) for count in players):
        cell, size, each = one.cell, one.cell.size, one.each
        part, bears = first(cell)
        nodes = size.shards * (1 + size.replicas)
        columns.append(
            {
                "players at the peak": _many(one.players),
                "cells": f"{one.cells} × `{size.name}`",
                "players of a cell": f"{each:,}",
                "servers at the peak": f"{one.cells * cell.servers(each):,}",
                "Valkey": f"{one.cells * nodes:,} × {size.redis_node}",
                "… shards, each with a replica": f"{one.cells * size.shards:,}",
                "PostgreSQL, two zones": f"{one.cells} × {size.database}",
                "workers at the peak": f"{one.cells * workers(cell, each):,}",
                "key events a second": f"{one.cells * events_per_s(cell, each):,.0f}",
                "SQS messages a second, at the peak": f"{one.sqs_per_s:,.0f}",
                "… a month": f"{monthly_sqs(one) / 1e6:,.0f} M",
                "**dollars a month**": f"**{one.dollars:,.0f}**",
                "… a player at the peak": f"{one.dollars / one.players:.2f}",
                "gives way first": part.name,
                "… at about so many players of a cell": f"{bears // 1000 * 1000:,}",
            }
        )
    names = list(columns[0])
    return table([[name, *(column[name] for column in columns)] for name in names])


def ways(game: Game) -> str:
    """For each size, in which order its parts give way."""
    rows = [["part", "ceiling", *(f"`{name}`" for name in SIZES), "what then"]]
    cells = [Cell(game=game, size=size) for size in SIZES.values()]
    for part in PARTS:
        loads = [_load(part, cell, cell.size.play.peak) for cell in cells]
        rows.append([part.name, f"{part.ceiling:.0%}", *loads, part.then])
    rule = ["---", "--:", *("--:" for _ in SIZES), "---"]
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))


def alone(players: Sequence[int], game: Game) -> str:
    """The loads if everybody were in one cell, whose servers and shards grow along."""
    cell = elastic(game)
    rows = [["in a single cell", *(_many(count) for count in players)]]
    rows.append(["servers", *(f"{cell.servers(count):,}" for count in players)])
    rows.append(["shards of Valkey", *(f"{cell.shards(count):,}" for count in players)])
    for part in PARTS[1:]:
        rows.append([part.name, *(_load(part, cell, count) for count in players)])
        if part.name == "Valkey: the core of one node":
            for name, share in (
                ("commits", commits),
                ("heartbeats", heartbeats),
                ("sweeps", sweeps),
                ("news of tickets", news),
            ):
                rows.append([f"· {name}", *(_share(share(cell, count)) for count in players)])
    return table(rows)


def account(players: Sequence[int], game: Game) -> str:
    """What is asked of the account, whatever the number of cells."""
    rows = [["of the account, at the peak", "quota", *(_many(count) for count in players)]]
    for name, quota, of_player in (
        ("tokens of Cognito, 1/s", TOKENS_PER_S.value, game.play(1).connects_per_hour / 3600),
        ("API Gateway, requests/s", REQUESTS_PER_S.value, game.play(1).calls_per_hour / 3600),
        (
            "CloudFront to players, Gbit/s",
            DISTRIBUTION_GBIT.value,
            game.tick * 8e-9 * game.snapshot_bytes,
        ),
    ):
        amounts = [count * of_player for count in players]
        rows.append([name, f"{quota:,.0f}", *(_beside(amount, quota) for amount in amounts)])
    vcpus = []
    for one in (plan(count, game) for count in players):
        servers = one.cell.servers(one.each) * SERVER_CPU
        vcpus.append(one.cells * (servers + workers(one.cell, one.each) * WORKER_CPU))
    rows.append(["vCPUs of Fargate", "–", *(f"{one:,.0f}" for one in vcpus)])
    return table(rows)


def _beside(amount: float, quota: float) -> str:
    text = f"{amount:,.1f}" if amount < 10 else f"{amount:,.0f}"
    return f"**{text}**" if amount > quota else text


def _load(part: Part, cell: Cell, players: float) -> str:
    load = part.load(cell, players)
    return f"**{_share(load)}**" if load > part.ceiling else _share(load)


def _share(load: float) -> str:
    if load < 2:
        return f"{load:.1%}" if load < 0.01 else f"{load:.0%}"
    return f"{load:,.1f} ×" if load < 10 else f"{load:,.0f} ×"


def _figures() -> str:
    rows = [["figure", "value", "unit", "source", "as of"], ["---", "--:", "---", "---", "---"]]
    rows += [[one.name, _value(one), one.unit, _source(one), one.as_of] for one in FIGURES]
    for name, meaning in MEANING.items():
        source = "assumed" if name in ASSUMED else "the arena"
        rows.append([meaning, f"{getattr(ARENA, name):g}", "", source, FIGURES[0].as_of])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _value(one: Figure) -> str:
    if not one.value:
        return "–"
    return f"{one.value:,.0f}" if one.value >= 1_000 else f"{one.value:g}"


def _source(one: Figure) -> str:
    if not one.found:
        return one.source
    path = (
        one.source.removeprefix("docs/") if one.source.startswith("docs/") else f"../{one.source}"
    )
    return f"[{one.source}]({path})"


_HEAD = f"""# How much for how many players

Made by `python -m deploy.capacity` of the model in `deploy/capacity/`: what a player costs as it
was measured here, put into the sizes of `deploy/cloudformation` at the prices of [cost.md](cost.md)
(AWS' list, us-east-1, {prices.AS_OF}). Nothing of it has run on AWS; a vCPU of Fargate or a core of
Graviton is taken for a core of the machine that was measured. The players play the arena, half as
many on average as at the peak.

A **cell** is one set of stacks: servers that know of each other, with one Valkey, one PostgreSQL
and one queue. More players than `large` is meant for go into further cells.
"""

_AFTER_PLANS = """
![Loads of a single cell, and what a player costs](images/capacity.png)

## What gives way first

Loads at the players that a size is meant for. Autoscaling adds servers and workers by itself until
their maximum; all else is a decision. A part above its ceiling *gives way*: above 80 % of a core
calls wait for each other; PostgreSQL needs the other half for vacuum, boards and a failover.
"""

_AFTER_WAYS = f"""
* **1,000 players, `small`.** Two servers. When one is lost, its players wait {PAUSE_S.value:g} s
  (p99), and the core of the other is {_ONE_LOST:.0%} busy until the next task is there, after
  {_AGAIN_S:.1f} s of CPU to take them. It grows by servers, to their maximum; then `medium`.
* **100,000, `large`.** What gives way first is {_FIRST.name}, {_FIRST.load(_LARGE, _FULL):.0%}:
  {_FIRST.then}. The core
  of the fullest Valkey node is {_CORE:.0%} busy: {_COMMITS:.0%} are commits, which further shards
  share; heartbeats and news, which they do not, grow with the square of the players.
* **1 million: {_CELLS[0]} cells.** In a single one heartbeats alone would be several cores' work
  for one, and the queue's master could not tell all servers who has been matched.
* **10 million: {_CELLS[1]} cells.** No part of a cell is fuller than before. What all cells share
  comes first: the account's quotas (below), and the price of log-ins and of bytes to players, which
  are {_BYTES:.0%} of the bill.

**What cells do not have.** A region needs a second cell above about {_HELD:,} players at once, as
the arena is played ({_FULL:,} is what `large` is meant for, and what the plan takes); below that
none of this matters. Cells can be had in two ways:

| a further cell | is made by | shares |
|---|---|---|
| in another region | `deploy.stacks --second` | accounts, profiles, friends, names (by latency) |
| in the same region | another `--game` and `--domain` | nothing, accounts neither |

Names, metrics and scaling of two `--game`s are apart. Nothing sends a player to a cell: whoever has
several in a region tells clients which one is theirs, as with the servers of an online game that
players choose from. Players of two cells never meet: matches, queues, boards, whose session it is
and who is online are each cell's own. Two cells of a region with the same accounts would need a
router that remembers each player's cell, and friends who are told of one another across cells;
neither is there, and no two cells were run side by side.

## If everybody were in one cell

Its servers and shards grow along. **Bold**: more than it can bear.
"""

_AFTER_ALONE = """
Heartbeats and news of tickets grow with the square of the servers, because each server is told of
each. Sweeps grow with the players alone: servers look for matches without an owner in turn, one
for all ([failover.md](failover.md)). A cell could be larger if news of tickets went only to the
servers where the players are, and if the directory sent what has changed. Neither is done.

## What all cells share

Quotas of an account and region as they are until one asks for more. That of Fargate is a few vCPUs
in a new account. **Bold**: ask.
"""

_BEFORE_FIGURES = """
## Figures

One that this repository measures or sets is compared with its file by a test. AWS' are as known
when this was written; only those of load balancers and of nodes were looked up again. What players
do beyond that (connects, calls, a day's average) is assumed as in [cost.md](cost.md).
"""

_FOOT = """
Heartbeats, sweeps and messages were measured with one caller over a Valkey of its own, on a machine
on which others worked as well: between two runs they differ by up to a third. A heartbeat names 8
open matches, as it does where the fullest fill first; with 64, its most, it is up to six times as
dear. Between the measured numbers of servers, and above them, the cost is a line.

## With your own figures

    python -m deploy.capacity --game-us 12 --tick 30 --players-per-match 20 --players 5000,400000

prints the same tables for your game. `--help` has all: bytes of a snapshot, key events, minutes of
a match, share of the players in the largest queue. `--game-us` is CPU of step and view, for a
player and tick; `python -m gameserver check` prints steps a second with all its checks, so that
1,000,000 / steps / players is an upper bound. Without figures the command writes this page and its
plot. Prices are in `deploy/cost/prices.py`, figures in `deploy/capacity/figures.py`.
"""
