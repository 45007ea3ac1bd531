"""Histograms, counters, limits: everything that adds up."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botswarm.histogram import VALUE_MAX, Histogram
from botswarm.report import Limits, judge
from botswarm.stats import ERROR_KINDS_MAX, Stats

values = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def filled(numbers: list[int]) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.record(number)
    return histogram


@given(values, st.sampled_from([0, 1, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_at_most_a_bucket_above_the_true_one(numbers, percent):
    found = filled(numbers).percentile(percent)
    true = sorted(numbers)[max(0, math.ceil(len(numbers) * percent / 100) - 1)]
    assert true <= found <= max(true + 1, true * 1.033)


@given(values, values)
def test_merged_histograms_are_the_histogram_of_all(first, second):
    merged = filled(first)
    merged.merge(filled(second))
    assert merged == filled(first + second)


@given(values, values)
def test_what_came_since(first, second):
    histogram = filled(first)
    earlier = histogram.copy()
    for number in second:
        histogram.record(number)
    assert histogram.since(earlier).buckets == filled(second).buckets


def test_extreme_values_are_counted():
    histogram = filled([-5, 2**60])
    assert (histogram.count, histogram.max, histogram.percentile(1)) == (2, VALUE_MAX, 0)
    assert Histogram().summary().p99_ms == 0


@given(values)
def test_histograms_survive_the_pipe(numbers):
    histogram = filled(numbers)
    encoded = msgspec.msgpack.encode(histogram)
    assert msgspec.msgpack.decode(encoded, type=Histogram) == histogram


def test_stats_add_up_and_tell_what_is_new():
    first, second = Stats(inputs=3, playing=2), Stats(inputs=4, playing=1)
    second.error("stall")
    first.error("stall", 2)
    before = first.copy()
    first.merge(second)
    assert (first.inputs, first.playing, first.errors) == (7, 3, {"stall": 3})
    grown = first.since(before)
    assert (grown.inputs, grown.playing, grown.errors) == (4, 3, {"stall": 1})


def test_kinds_of_errors_are_bounded():
    stats = Stats()
    for number in range(ERROR_KINDS_MAX + 50):
        stats.error(f"close:{number}")
    assert len(stats.errors) == ERROR_KINDS_MAX + 1
    assert stats.errors["other"] == 50


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"max_p99_ms": 50.0}, True),
        ({"max_p99_ms": 49.9}, False),
        ({"min_snapshots": 10}, True),
        ({"min_snapshots": 11}, False),
        ({"max_error_rate": 0.5}, True),
        ({"max_error_rate": 0.0}, False),
    ],
)
def test_limits(limits, kept):
    none = dict.fromkeys(Limits.__struct_fields__)
    given_limits = Limits(**{**none, **limits})
    found = judge(given_limits, {"max_p99_ms": 50.0, "min_snapshots": 10, "max_error_rate": 0.5})
    assert [verdict.kept for verdict in found] == [kept]
