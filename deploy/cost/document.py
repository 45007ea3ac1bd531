"""docs/cost.md, made of the model."""

from __future__ import annotations

from dataclasses import fields

from deploy.cost import prices
from deploy.cost.model import (
    CONNECTIONS_PER_SERVER,
    POSTGRES_US_PER_EVENT,
    SIZES,
    VALKEY_US_PER_CYCLE,
    Play,
    Size,
    estimate,
    servers_at,
    stored_gib,
    total,
)

_HEAD = f"""# What it costs

An estimate, made by `python -m deploy.cost` of the model in `deploy/cost/`: measured figures of
this project, assumptions, and on-demand list prices of us-east-1 ({prices.AS_OF}), before taxes,
free tiers and commitments. Nobody has paid this bill yet: no part of it was run on AWS. Where a
figure carries the sum (bytes to players, Cognito, servers), look its price up again and put your
game's figures in.
"""

_MEANING: dict[str, str] = {
    "average_share": "a day's average, of its peak",
    "monthly_per_peak": "players a month, for each one at the peak",
    "hz": "snapshots and inputs a second",
    "snapshot_bytes": "bytes of a snapshot or delta (measured: 184 to 192, arena)",
    "input_bytes": "bytes of an input, with what WebSocket puts around it",
    "connects_per_hour": "connects of a player who plays, an hour",
    "calls_per_hour": "calls of the HTTP API, likewise",
    "events_per_s": "key events, a player and second",
    "recording_bytes_per_s": "bytes of a recording, a player and second (measured: arena)",
}


def document() -> str:
    """The whole page."""
    parts = [_HEAD, _sums(), _lines(), _load(), _assumptions(), _FOOT]
    return "\n".join(parts)


def _table(rows: list[list[str]], *, right: int = 1) -> str:
    """The first row is the head; columns from ``right`` on hold figures."""
    head, *body = rows
    rule = ["---" if column < right else "--:" for column in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))


def _sums() -> str:
    rows = [["size", "players at the peak", "dollars a month", "for each player at the peak"]]
    for size in SIZES.values():
        dollars = total(estimate(size))
        rows.append(
            [
                f"`{size.name}`",
                f"{size.play.peak:,}",
                f"{dollars:,.0f}",
                f"{dollars / size.play.peak:.2f}",
            ]
        )
    return (
        "## In all\n\nOne region, with what all regions share (CloudFront, firewall, Cognito).\n\n"
        + _table(rows)
    )


def _lines() -> str:
    columns = {name: estimate(size) for name, size in SIZES.items()}
    head = ["what", *(cell for name in columns for cell in (f"`{name}`", "$"))]
    body = []
    for number, first in enumerate(columns["small"]):
        row = [first.what]
        for lines in columns.values():
            row += [lines[number].how_much, f"{lines[number].dollars:,.0f}"]
        body.append(row)
    rule = ["---", *("---" if column % 2 == 0 else "--:" for column in range(len(head) - 1))]
    return "## Line by line, a month\n\n" + "".join(
        f"| {' | '.join(row)} |\n" for row in (head, rule, *body)
    )


def _load() -> str:
    rows = [["at the peak", *(f"`{name}`" for name in SIZES)]]

    loads = [_load_of(size) for size in SIZES.values()]
    rows += [[what, *(load[what] for load in loads)] for what in loads[0]]
    return (
        "## How full that is\n\nAn alarm tells long before any of it is full "
        "(`deploy/cloudformation/watch.yaml`).\n\n" + _table(rows)
    )


def _load_of(size: Size) -> dict[str, str]:
    play = size.play
    servers = servers_at(play.peak, size)
    valkey = play.peak * play.hz * VALKEY_US_PER_CYCLE / 1e6 / size.shards
    postgres = play.peak * play.events_per_s * POSTGRES_US_PER_EVENT / 1e6
    year = stored_gib(size, months=12)
    return {
        "servers, of at most": f"{servers} of {size.servers[1]}",
        "players of a server": f"{play.peak / servers:,.0f} of {CONNECTIONS_PER_SERVER} aimed at",
        "a shard's core": f"{valkey:.0%}",
        "PostgreSQL, of one core": f"{postgres:.1%}",
        "disk after a year, if nothing is dropped": f"{year:,.0f} GiB",
    }


def _assumptions() -> str:
    sample = SIZES["small"].play
    rows = [["of a player", "figure"]]
    rows += [
        [_MEANING[one.name], f"{getattr(sample, one.name):g}"]
        for one in fields(Play)
        if one.name in _MEANING
    ]
    return "## Assumptions\n\n" + _table(rows)


_FOOT = """What is not in it: a second region (the same again, without Cognito, and with replicated
writes in DynamoDB at the same price each), Shield Advanced (3,000 a month), SES' mails, support,
taxes.

Recordings are by far the most that is stored: `small` and `medium` keep them for a week, `large`
records nothing (`GAMESERVER_RECORDING`, `WORKER_RECORDINGS_KEPT_DAYS`). Most of the bill of a large
game is Cognito, at its list price for every player who logs in at least once a month, and bytes to
players: a lower tick rate, interest management (`view_for`) or smaller views save more there than
any choice of machines. Both prices are a matter of negotiation at such amounts.

Not measured, so not in the figures: messages between many servers. They go by the classic pub/sub,
which every Valkey node carries (docs/redis.md), so shards do not help there; players of a match are
brought together on one server, so that few frames need them.
"""
