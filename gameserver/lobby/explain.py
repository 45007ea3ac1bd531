"""Why a ticket is still waiting, in words: what rules out the nearest candidates."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Row
from gameserver.matchmaking import Explanation, TicketId

LOOKED_AT = 100


def explain(pool: Pool, ticket: TicketId, now_ms: int) -> Explanation | None:
    """``None`` for a ticket that does not wait here."""
    row = pool.rows.get(ticket)
    if row is None:
        return None
    window = pool.rules.window(now_ms - row.enqueued_ms)
    others = list(islice(pool.nearest(row), LOOKED_AT))
    found = Counter(_reason(pool, row, other, window, now_ms) for other in others)
    fitting = found.pop("", 0)
    ruled_out = dict(found.most_common())
    return Explanation(
        waiting=len(pool),
        looked_at=len(others),
        fitting=fitting,
        ruled_out=ruled_out,
        text=_text(pool, row, len(others), fitting, ruled_out, window, now_ms),
    )


def _reason(pool: Pool, row: Row, other: Row, window: float, now_ms: int) -> str:
    rules = pool.rules.rules
    if abs(row.skill - other.skill) > window:
        return "skill"
    if not row.look(now_ms) & other.look(now_ms):
        return "latency"
    for choice, mine, theirs in zip(rules.required, row.required, other.required, strict=True):
        if not mine & theirs:
            return choice.name
    for each, (a, b), (c, d) in zip(rules.ranges, row.ranges, other.ranges, strict=True):
        if max(a, c) > min(b, d):
            return each.name
    if row.size + other.size > pool.rules.size:
        return "party"
    return ""


def _text(
    pool: Pool,
    row: Row,
    looked_at: int,
    fitting: int,
    ruled_out: dict[str, int],
    window: float,
    now_ms: int,
) -> str:
    rules = pool.rules.rules
    missing = pool.rules.size_min - row.size
    needed = "1 more player is needed" if missing == 1 else f"{missing} more players are needed"
    if not looked_at:
        return f"Nobody else is waiting; {needed}."
    said = [f"Fitting by themselves: {fitting}"]
    words = {"skill": _skill_words(pool, row, window), "latency": _latency_words(pool, row, now_ms)}
    for reason, count in ruled_out.items():
        why = words.get(reason) or f"wanting another {reason}"
        if reason == "party":
            why = "in parties too large for one match with this one"
        said.append(f"{why}: {count}")
    text = f"Waiting tickets nearest in skill: {looked_at}. " + "; ".join(said) + f". {needed}"
    if rules.roles:
        text += ", and every team needs " + ", ".join(f"{r.count} {r.name}" for r in rules.roles)
    return text + "."


def _skill_words(pool: Pool, row: Row, window: float) -> str:
    skill = pool.rules.rules.skill
    if skill is None:
        return ""
    grows = f", growing by {skill.widen_per_s:g} a second," if window < skill.window_max else ""
    return f"further than {window:g}{grows} from your skill of {row.skill:.0f}"


def _latency_words(pool: Pool, row: Row, now_ms: int) -> str:
    limit = pool.rules.latency_limit(now_ms - row.enqueued_ms)
    return f"sharing no region within your {limit:.0f} ms and theirs"
