"""The timeline of a run, its page, its live view, and two runs side by side."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from botswarm import compare, page
from botswarm.__main__ import main
from botswarm.charts import nice_ticks, short
from botswarm.happening import Deploy, ReadSlowly, Reconnect
from botswarm.histogram import Summary
from botswarm.ledger import Ledger
from botswarm.live import sparkline
from botswarm.processes import Outcome, Overview
from botswarm.progress import Display
from botswarm.report import Limits, Report, Story, make_report
from botswarm.settings import Settings
from botswarm.stats import Stats
from botswarm.timeline import POINTS_MAX, Mark, Timeline, step_s
from gameserver.errors import ConfigError

STEPS = [
    Reconnect(at_s=3.0, share=0.5),
    ReadSlowly(at_s=4.0, for_s=2.0),
    Deploy(at_s=6, within_s=2),
]
SETTINGS = Settings(
    url="ws://x", bots=20, game="arena", duration_s=10.0, ramp_s=2.0, happenings=STEPS
)


def overviews() -> list[Overview]:
    """Twelve seconds of 100 inputs, a slow half second, and two kinds of errors."""
    stats, found = Stats(), []
    for half in range(25):
        stats.inputs += 50
        stats.snapshots += 50
        stats.connected = stats.playing = min(20, 5 * half)
        stats.latency.record(200_000 if half == 12 else 20_000, 50)
        if half in (12, 13):
            stats.error("close:<b>abnormal", 3)
        if half == 20:
            stats.error("error:bad_message")
        phase = "ramp" if half < 5 else "stop" if half == 24 else "steady"
        found.append(Overview(phase=phase, at_s=half / 2, cpu_s=[half * 0.1], stats=stats.copy()))
    return found


def made(*, expect: list[str] | None = None) -> Report:
    timeline = Timeline(SETTINGS)
    seen = overviews()
    for overview in seen:
        timeline(overview)
    total = seen[-1].stats
    total.joins = 20
    outcome = Outcome(
        total=total,
        steady=total.since(seen[4].stats),
        steady_s=10.0,
        loads=[],
        interrupted=False,
        lost=0,
        ledger=Ledger(record_events=False),
        pauses=[],
        pauses_uncounted=0,
    )
    story = Story(
        started="2026-01-01T00:00:00+00:00",
        scenario="a_storm",
        expect=expect or [],
        marks=[*timeline.marks(STEPS), Mark(at_s=8.5, until_s=9.0, label="deploy <now>")],
        timeline=timeline.points,
        deploys=1,
        deployed=1,
    )
    return make_report(
        outcome, settings=SETTINGS, limits=Limits(max_p99_ms=300, max_error_rate=0.005), story=story
    )


def test_a_timeline_has_what_came_in_each_second():
    report = made()
    points = report.timeline
    assert [point.at_s for point in points] == list(range(1, 13))
    assert {point.inputs for point in points} == {100.0}
    slow = max(points, key=lambda point: point.p99_ms)
    assert (slow.at_s, slow.errors) == (6.0, {"close:<b>abnormal": 3})
    assert sum(sum(point.errors.values()) for point in points) == report.counts.errors
    assert points[0].cpu == [0.2]
    assert [(mark.at_s, mark.until_s, mark.label) for mark in report.marks[:2]] == [
        (5.5, 5.5, "reconnect 50%"),
        (6.5, 8.5, "read slowly, 2 s"),
    ]


def test_a_timeline_is_bounded():
    settings = msgspec.structs.replace(SETTINGS, duration_s=86_400.0)
    assert (12 + 86_400) / step_s(settings) <= POINTS_MAX + 1


def test_what_is_expected_is_reported_and_not_judged():
    assert not made().passed
    report = made(expect=["close:*", "error:*"])
    assert report.passed and report.error_rate == 0
    assert sorted(report.expected) == ["close:<b>abnormal", "error:bad_message"]
    assert report.counts.errors == 7


def test_a_deploy_that_failed_breaks_the_run():
    report = make_report(
        Outcome(
            total=Stats(joins=1), steady=Stats(), steady_s=1.0, loads=[], interrupted=False, lost=0,
            ledger=Ledger(record_events=False), pauses=[], pauses_uncounted=0,
        ),
        settings=SETTINGS,
        limits=Limits(),
        story=Story(deploys=1, deployed=0),
    )  # fmt: skip
    assert [verdict.name for verdict in report.limits if not verdict.kept] == ["deploys"]


def test_the_page_is_one_file_with_every_plot(tmp_path):
    report = made(expect=["error:*"])
    html = page.render(report)
    for foreign in ("http:", "https:", "<script", "src=", "@import", "url("):
        assert foreign not in html
    assert html.count("<svg") == 7
    assert "prefers-color-scheme: dark" in html
    assert "close:&lt;b&gt;abnormal" in html and "<b>abnormal" not in html
    assert "deploy &lt;now&gt;" in html
    for svg in html.split("<svg")[1:]:
        ET.fromstring("<svg" + svg.partition("</svg>")[0] + "</svg>")


def test_the_page_of_a_run_without_anything():
    report = msgspec.structs.replace(made(), timeline=[], marks=[], curve=[], errors={})
    assert page.render(report).count("<svg") == 6


@pytest.mark.parametrize(
    ("top", "last"), [(0.0, 1.0), (1.0, 1.0), (7.3, 8.0), (99.0, 100.0), (0.03, 0.03)]
)
def test_ticks_are_round(top, last):
    ticks = nice_ticks(top)
    assert ticks[0] == 0 and ticks[-1] == pytest.approx(last)
    assert len(ticks) <= 7


def test_numbers_are_short():
    assert [short(value) for value in (0.5, 999, 1_500, 2e6)] == ["0.5", "999", "1.5k", "2M"]


# ── compare ──────────────────────────────────────────────────────────────────────────────────────


def changed(report: Report, **latency: float) -> Report:
    summary: Summary = msgspec.structs.replace(report.latency, **latency)
    return msgspec.structs.replace(report, latency=summary)


def written(path: Path, report: Report) -> str:
    path.write_bytes(msgspec.json.encode(report))
    return str(path)


@pytest.mark.parametrize(
    ("p99_ms", "tolerance", "code", "word"),
    [(100.0, "0.1", 0, "not worse"), (111.0, "0.1", 1, "WORSE"), (111.0, "0.2", 0, "not worse"),
     (50.0, "0.1", 0, "better"), (104.0, "0.01", 0, "not worse")],
)  # fmt: skip
def test_two_runs(tmp_path, capsys, p99_ms, tolerance, code, word):
    first = written(tmp_path / "a.json", changed(made(), p99_ms=100.0))
    second = written(tmp_path / "b.json", changed(made(), p99_ms=p99_ms))
    assert main(["compare", first, second, "--tolerance", tolerance]) == code
    assert word in capsys.readouterr().out


def test_errors_and_rates_are_compared():
    was = made()
    rates = msgspec.structs.replace(was.rates, inputs=50.0)
    now = msgspec.structs.replace(was, rates=rates, errors={"stall": 4}, error_rate=0.5)
    found = compare.compare(was, now, compare.Tolerance())
    assert found.worse == ["stalls", "error rate", "inputs/s"]
    assert found.errors["stall"] == (0, 4)
    assert compare.compare(now, was, compare.Tolerance()).worse == []


def test_runs_that_are_not_alike_are_not_judged(tmp_path, capsys):
    report = made()
    first = written(tmp_path / "a.json", report)
    more = msgspec.structs.replace(SETTINGS, bots=40)
    second = written(tmp_path / "b.json", msgspec.structs.replace(report, settings=more))
    assert main(["compare", first, second]) == 3
    assert "bots: 20 and 40" in capsys.readouterr().out
    assert main(["compare", first, second, "--loosely", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["doubts"] == ["bots: 20 and 40"]


def test_a_file_that_is_no_report(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a report"):
        compare.read(tmp_path / "x.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        compare.read(tmp_path / "y.json")


# ── live ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_live_view_shows_figures_errors_and_what_is_to_come():
    file = io.StringIO()
    console = Console(file=file, width=120, height=50, force_terminal=True, color_system=None)
    display = Display(
        console, bots=20, quiet=False, title="arena a_storm", span_s=10.0, happenings=STEPS
    )
    with display:
        for overview in overviews()[:14]:
            display(overview)
        assert display._live is not None
        console.print(display._live.renderable)
    text = file.getvalue()
    for words in (
        "arena a_storm",
        "20/20",
        "inputs/s",
        "close:<b>abnormal",
        "now",
        "in 2 s",
        "CPU",
    ):
        assert words in text, words


def test_a_sparkline_ends_with_the_newest():
    assert sparkline([0, 1, 2, 4], width=3) == "▃▅█"
    assert sparkline([0, 0]) == "▁▁"
