"""Names, words and units of what server and worker show, and the page that lists it."""

from __future__ import annotations

import re

import pytest

from docs import generate_metrics
from docs.generate_metrics import PAGE, Described, of_server, of_worker, render, samples
from gameserver.metrics import HISTOGRAMS, Histogram, Metrics

ALL = [*of_server(), *of_worker()]
UNITS = ("_seconds", "_bytes", "_ratio")
# A time of another unit, or a size, that hides in a name.
WRONG_UNITS = re.compile(r"_(ms|millis|minutes|hours|kb|mib|percent)(_|$)")


def test_the_page_is_what_the_code_shows() -> None:
    assert PAGE.read_text() == render(), "run `python -m docs.generate_metrics`"


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_names_and_words_follow_one_scheme(one: Described) -> None:
    assert re.fullmatch(r"(gameserver|worker)(_[a-z0-9]+)+", one.name)
    assert not WRONG_UNITS.search(one.name), "seconds, bytes and ratios only"
    assert one.name.endswith("_total") is (one.kind == "counter")
    assert re.match(r"[A-Z0-9]", one.meaning) and not one.meaning.endswith((".", "ms"))
    assert len(one.meaning) > 9 and "|" not in one.meaning
    assert not {"match", "player", "session", "remote"} & set(one.labels), "of too many values"
    if re.search(r"_(age|lag|wait|lateness|step)(_|$)", one.name) and one.kind != "counter":
        assert one.name.endswith(UNITS)


def test_no_name_is_used_twice() -> None:
    names = [one.name for one in ALL]
    assert len(names) == len(set(names))


def test_times_are_shown_in_seconds() -> None:
    metrics = Metrics()
    metrics.step_ms.observe(7.5)
    metrics.step_ms.observe(2_500)
    text = metrics.render().decode()
    assert 'gameserver_step_seconds_bucket{le="0.005"} 0.0' in text
    assert 'gameserver_step_seconds_bucket{le="0.0075"} 1.0' in text
    assert 'gameserver_step_seconds_bucket{le="1.0"} 1.0' in text
    assert 'gameserver_step_seconds_bucket{le="+Inf"} 2.0' in text
    assert "gameserver_step_seconds_sum 2.5075" in text
    assert "_ms" not in text


def test_every_bound_is_a_number_that_prometheus_can_read_back() -> None:
    metrics = Metrics()
    for family in metrics.collect():
        bounds = [float(one.labels["le"]) for one in family.samples if "le" in one.labels]
        assert bounds == sorted(bounds)
    for _, bounds in HISTOGRAMS.values():
        assert all("e" not in str(bound / 1000) for bound in bounds)


def test_gauges_are_read_when_they_are_asked_for() -> None:
    metrics, games = Metrics(), {("arena",): 2.0}
    metrics.gauge("some", "How many there are", lambda: sum(games.values()))
    metrics.labelled_gauge("by_game", "How many of each there are", ("game",), lambda: games)
    games["echo",] = 1.0
    text = metrics.render().decode()
    assert "gameserver_some 3.0" in text
    assert 'gameserver_by_game{game="arena"} 2.0' in text
    assert 'gameserver_by_game{game="echo"} 1.0' in text


def test_a_histogram_counts_inclusive_upper_bounds() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 9.0):
        histogram.observe(value)
    assert histogram.counts == [1, 2, 1]
    assert (histogram.quantile(0.25), histogram.quantile(0.7)) == (1.0, 2.0)
    assert histogram.quantile(1) == float("inf")


def test_what_may_be_asked_holds_the_parts_of_histograms() -> None:
    assert {"gameserver_tick_lateness_seconds_bucket", "up", "worker_events_total"} <= samples()
    assert "gameserver_tick_lateness_seconds" not in samples()
    assert any(one.labels == ("game", "state") for one in generate_metrics.of_server())
