"""The worker's benchmark: its events, its messages, its page."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from bench.match_events import MIXES, shape, stream
from bench.worker_latency import Latency
from bench.worker_report import Results, Round, markdown, plot_data
from bench.worker_runs import Drained, Rate
from bench.worker_stack import bodies
from gameserver.match.bundles import BODY_BYTES_MAX
from gameserver.wire import event_record as wire


@pytest.mark.parametrize("mix", MIXES)
def test_the_events_are_those_of_whole_matches(mix: str) -> None:
    records = [wire.decode_record(raw) for raw in stream(mix, 3_000)]
    assert len(records) >= 3_000
    assert [one.at_ms for one in records] == sorted(one.at_ms for one in records)
    by_match = defaultdict(list)
    for one in records:
        by_match[one.match].append(one)
    for told in by_match.values():
        assert [one.seq for one in told] == list(range(1, len(told) + 1))
        assert (told[0].kind, told[-1].kind) == (wire.MATCH_STARTED, wire.MATCH_ENDED)
        joined = {one.player for one in told if one.kind == wire.PLAYER_JOINED}
        assert joined == {place["player"] for place in told[-1].data["standings"]}
        assert len(joined) in {players for _, _, players in MIXES[mix]}
    assert sum(shape(mix).kinds.values()) == shape(mix).events


def test_the_same_seed_gives_the_same_events() -> None:
    def some(seed: int) -> list[bytes]:
        return list(stream("short matches", 200, seed=seed))

    assert some(1) == some(1) != some(2)


def test_messages_hold_all_records_in_their_order() -> None:
    records = list(stream("short matches", 3_000))
    full, small = list(bodies(records)), list(bodies(records, records_max=40))
    for packed in (full, small):
        assert [raw for body in packed for raw in wire.decode_bundle(body)] == records
    assert all(len(body) <= BODY_BYTES_MAX for body in full)
    assert {len(wire.decode_bundle(body)) for body in small[:-1]} == {40}


def drained(per_s: float, **changes: Any) -> Drained:
    fields: dict[str, Any] = {
        "events": 1000,
        "messages": 5,
        "per_s": per_s,
        "calls_per_event": 0.01,
        "worker_us": 9.0,
        "services_us": {"PostgreSQL": 8.0, "SQS stand-in": 1.0},
        "others": 0.25,
        "rss_mib": [(1.0, 100.0, 200), (2.0, 120.0, 1000)],
    }
    return Drained(**fields | changes)


def rate(per_s: float, calls: float = 0.0) -> Rate:
    services = {"PostgreSQL": 5.0, "SQS stand-in": 0.0}
    return Rate(per_s=per_s, services_us=services, calls_per_event=calls)


def test_the_page_says_what_is_met_and_by_how_much_not() -> None:
    results = Results(facts={"cores": "2"}, mix=shape("short matches"))
    for ours in (30_000.0, 40_000.0, 50_000.0):
        one = Round(ours=drained(ours), plain=rate(100, 2.0), copy=rate(100_000), sink=rate(60_000))
        results.rounds.append(one)
    results.other["small"] = [drained(10_000)]
    results.latency = Latency(per_s=10_000, events=9, p50=100, p90=200, p99=501, max=600)
    results.million = drained(1.0)
    page = markdown(results, command="here")
    assert "| × the plain worker | 15 | 400.00 | 300.00–500.00 | met |" in page
    assert "| of COPY's rate | 0.5 | 0.40 | 0.30–0.50 | missed by 20% |" in page
    assert "| × fewer SQS calls an event | 20 | 200.00 | 200.00–200.00 | met |" in page
    assert "25% to 25% of the machine's cores" in page
    assert "wanted p99 under 500: missed" in page
    assert "highest in each quarter: 100, –, –, 120 MiB" in page
    assert plot_data(results)["bars"]["this worker"] == 40_000
