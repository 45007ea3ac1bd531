"""Tables from canned results."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.compare import first_step
from bench.report import markdown, ratios
from bench.results import AtShare, Compared, Entry, Held, Results, Scaled, load, save
from bench.sample import Sample, Spread, added_latency_p99_ms
from bench.scaling_report import plot_data, scaling_markdown


def _sample(subject: str, us_per_cycle: float, **changes: object) -> Sample:
    sample = Sample(
        subject=subject,
        players=800,
        seated=800,
        us_per_cycle=us_per_cycle,
        beside_us_per_cycle={},
        core_share=0.3,
        lateness_ms=Spread(p50=0.4, p99=3.2, max=9.9),
        latency_ms=Spread(p50=26, p99=51, max=60),
        snapshot_bytes=206,
        delivered=1.0,
        rss_kib_per_player=12.5,
        connect_cpu_ms=0.4,
        connects_per_s=900,
        generator_cpu=0.3,
        generator_late_p99_ms=0.5,
        generator_is_bottleneck=False,
        faults=(),
    )
    return msgspec.structs.replace(sample, **changes)


def _compared(repetition: int, sample: Sample) -> Compared:
    return Compared(repetition=repetition, sample=sample)


def _results() -> Results:
    late = ("lateness p99 12.0 ms",)
    return Results(
        machine={"processor": "a machine"},
        entries=[
            Entry(key="floor_tick", label="the floor", note="bare"),
            Entry(key="gameserver", label="this server", note="as shipped"),
            Entry(key="node_ws", label="Node", note="tuned"),
        ],
        left_out={"Bun": "it is\nnot there"},
        compared=[
            _compared(1, _sample("floor_tick", 10)),
            _compared(1, _sample("gameserver", 20)),
            _compared(1, _sample("node_ws", 40, generator_is_bottleneck=True)),
            _compared(2, _sample("floor_tick", 20)),
            _compared(2, _sample("gameserver", 30, faults=late)),
            _compared(2, _sample("node_ws", 60, latency_ms=None)),
        ],
        held=[
            Held(repetition=1, subject="gameserver", players=2400, at_least=False, why="late"),
            Held(repetition=2, subject="gameserver", players=2200, at_least=False, why="late"),
            Held(repetition=1, subject="node_ws", players=2000, at_least=True, why="generator"),
        ],
        scaled=[
            Scaled(
                suite="room_size", series="view", setting="8", samples=(_sample("gameserver", 50),)
            ),
            Scaled(
                suite="connects",
                setting="session, ws",
                samples=(
                    _sample("gameserver", 0, delivered=0.0, latency_ms=None, connects_per_s=900),
                    _sample("gameserver", 0, delivered=0.0, latency_ms=None, connects_per_s=1_100),
                ),
            ),
        ],
        not_scaled={"tls": "wss: no OpenSSL"},
        at_share=[AtShare(clients_max=1_000, sample=_sample("gameserver", 20))],
    )


def test_ratios_are_taken_within_a_repetition() -> None:
    assert ratios(_results(), "gameserver", 800, "floor_tick") == [2.0, 1.5]


def test_the_cheapest_server_comes_first_with_median_and_range() -> None:
    rows = [line for line in markdown(_results()).splitlines() if line.startswith("| ")]
    costs = [row for row in rows if "/ 3.2" in row]
    assert [row.split(" | ")[0].strip("| *") for row in costs] == [
        "the floor",
        "this server",
        "Node",
    ]
    assert "25.0 (20.0–30.0) | 1.75 (1.50–2.00) | 1.00 (1.00–1.00)" in costs[1]


def test_what_does_not_fit_the_table_is_said_below_it() -> None:
    text = markdown(_results(), ["cost.png"])
    assert "- **Bun**: it is not there" in text
    assert "- gameserver, 800 clients: lateness p99 12.0 ms" in text
    assert "- node_ws, 800 clients: the generator was the bottleneck" in text
    assert "![cost](cost.png)" in text


def test_a_limit_is_what_every_search_held() -> None:
    text = markdown(_results())
    assert "| **this server** | 2200 | 2400, 2200 | late |" in text
    assert "| Node | at least 2000 | 2000 | generator |" in text


def test_results_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    assert load(path) == Results()
    save(_results(), path)
    assert load(path) == _results()


def test_a_search_begins_below_what_the_cost_allows() -> None:
    compared = [_compared(1, _sample("node_ws", 25)), _compared(1, _sample("slow", 400))]
    assert first_step("node_ws", compared) == 1_200
    assert first_step("slow", compared) == 200
    assert first_step("unknown", compared) == 600


def test_a_half_empty_run_is_remarked_and_kept_out_of_the_cost() -> None:
    results = _results()
    half = _sample("gameserver", 900, seated=400, faults=("400 players found no seat",))
    results.compared.append(_compared(3, half))
    results.compared.append(_compared(3, _sample("floor_tick", 10)))

    text = markdown(results)

    assert ratios(results, "gameserver", 800, "floor_tick") == [2.0, 1.5]
    assert "25.0 (20.0–30.0)" in text
    assert "- gameserver, 800 clients: 400 players found no seat" in text


def test_a_curve_shows_only_what_its_samples_have() -> None:
    text = scaling_markdown(_results())
    assert "| players per room | players | µs of CPU per cycle | % of the core |" in text
    assert "| view: 8 | 800 | 50.0 | 30 | 3.2 | 51.0 | 206 | 12.5 |" in text
    assert "|  | players | connects per s | CPU ms to connect | KiB per player |" in text
    assert "| session, ws | 800 | 1000 (900–1100) | 0.40 (0.40–0.40) |" in text
    assert "![Players per room, of 400 players](room_size.png)" in text
    assert "Not measured (Encryption on the socket): wss: no OpenSSL." in text


def test_plots_get_medians_with_the_least_and_the_most() -> None:
    connects = next(one for one in plot_data(_results()) if one["name"] == "connects")
    assert connects["panels"][0] == {
        "label": "connects per s",
        "lines": {"": [("session, ws", 1_000, 900, 1_100)]},
    }


def test_the_wait_for_the_tick_is_not_counted_as_added_latency() -> None:
    assert "| **this server** | 800 of 1000 | 1.5 | 3.2 | 30 |" in markdown(_results())
    half_as_often = _sample("gameserver", 20, hz=10, latency_ms=Spread(p50=51, p99=101, max=110))
    assert added_latency_p99_ms(half_as_often) == pytest.approx(2.0)
    assert added_latency_p99_ms(_sample("colyseus_state", 20, latency_ms=None)) is None
