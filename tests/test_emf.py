"""Lines for CloudWatch: their form, what they tell, and that they name what deploy/ goes by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docs.generate_metrics import of_server, of_worker
from gameserver.emf import SERVER, WORKER, Chosen, EmfWriter, How, quantile
from gameserver.metrics import Metrics
from persistence_worker.metrics import Metrics as WorkerMetrics
from tests.emf_lines import checked, metrics

ROOT = Path(__file__).parent.parent
AT_MS = 1_790_000_000_000


def writer(chosen: tuple[Chosen, ...] = SERVER, service: str = "server") -> EmfWriter:
    return EmfWriter(chosen, namespace="Gameserver", service=service, node="n1")


def test_a_line_is_what_the_specification_wants() -> None:
    document = checked(writer().line(Metrics().collect(), AT_MS))
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert document["_aws"]["Timestamp"] == AT_MS
    assert directive["Namespace"] == "Gameserver"
    assert directive["Dimensions"] == [["service"]]
    assert (document["service"], document["node"]) == ("server", "n1")


def test_counters_tell_their_growth_and_gauges_their_value() -> None:
    shown, lines = Metrics(), writer()
    shown.gauge("sessions", "Open sessions", lambda: 7.0)
    shown.store_errors = 5
    assert metrics(checked(lines.line(shown.collect(), AT_MS))).items() >= {
        ("gameserver_sessions", 7),
        ("gameserver_store_errors_total", 5),
    }
    shown.store_errors = 6
    second = metrics(checked(lines.line(shown.collect(), AT_MS)))
    assert second["gameserver_store_errors_total"] == 1
    assert metrics(checked(lines.line(shown.collect(), AT_MS)))[
        "gameserver_store_errors_total"
    ] == pytest.approx(0)


def test_a_quantile_is_of_what_came_since_the_last_line() -> None:
    shown, lines = Metrics(), writer()
    for _ in range(1_000):
        shown.tick_lateness_ms.observe(0.2)
    name = "gameserver_tick_lateness_p99_seconds"
    assert metrics(checked(lines.line(shown.collect(), AT_MS)))[name] < 0.00025
    shown.tick_lateness_ms.observe(40)
    later = metrics(checked(lines.line(shown.collect(), AT_MS)))
    assert 0.03 < later[name] <= 0.05
    assert name not in metrics(checked(lines.line(shown.collect(), AT_MS))), "nothing came"


def test_labels_are_summed() -> None:
    shown, lines = WorkerMetrics(), writer(WORKER, "worker")
    shown.parked.labels("fork").set(2)
    shown.parked.labels("bad_data").set(3)
    shown.events.labels("applied").inc(10)
    shown.events.labels("duplicate").inc(1)
    told = metrics(checked(lines.line(shown.registry.collect(), AT_MS)))
    assert told["worker_parked_events"] == 5
    assert told["worker_events_total"] == 11


def test_what_is_no_number_is_left_out() -> None:
    shown = Metrics()
    shown.gauge("sessions", "Open sessions", lambda: float("nan"))
    assert "gameserver_sessions" not in metrics(checked(writer().line(shown.collect(), AT_MS)))


@pytest.mark.parametrize(("chosen", "made"), [(SERVER, of_server()), (WORKER, of_worker())])
def test_what_is_chosen_exists(chosen: tuple[Chosen, ...], made: list[object]) -> None:
    kinds = {one.name: one.kind for one in made}
    of = {How.VALUE: "gauge", How.GROWTH: "counter", How.P99: "histogram"}
    for one in chosen:
        assert kinds[one.name] == of[one.how], one
    assert len({one.shown for one in chosen}) == len(chosen)


def test_a_quantile_is_interpolated_as_prometheus_does_it() -> None:
    inf = float("inf")
    assert quantile([1, 2, inf], [10, 20, 20], 0.75) == 1.5
    assert quantile([1, 2, inf], [10, 10, 20], 0.99) == 2
    assert quantile([1, 2, inf], [4, 4, 4], 1) == 1


def test_too_many_metrics_are_refused() -> None:
    many = tuple(Chosen(f"gameserver_{n}", How.VALUE) for n in range(101))
    with pytest.raises(ValueError, match="101 metrics"):
        writer(many)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"_aws": {"Timestamp": AT_MS}},
        {"_aws": {"Timestamp": 5, "CloudWatchMetrics": []}},
        {
            "_aws": {
                "Timestamp": AT_MS,
                "CloudWatchMetrics": [
                    {"Namespace": "", "Dimensions": [[]], "Metrics": [{"Name": "a"}]}
                ],
            },
            "a": 1,
        },
        {
            "_aws": {
                "Timestamp": AT_MS,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "x",
                        "Dimensions": [[]],
                        "Metrics": [{"Name": "a", "Unit": "seconds"}],
                    }
                ],
            },
            "a": 1,
        },
    ],
)
def test_the_schema_can_refuse(broken: dict[str, object]) -> None:
    import jsonschema  # late, as in ``checked``

    with pytest.raises(jsonschema.ValidationError):
        checked(json.dumps(broken))


# What scales and alarms: task definitions, autoscalers, alarms. What CloudWatch counts in logs by
# itself is none of ours.
_ASKED = re.compile(r"(?:MetricName: |name: |\^)((?:gameserver|worker)_[a-z_]+)(?<!_log_errors)\b")


def test_what_deployments_scale_and_alarm_by_is_told() -> None:
    files = [*ROOT.glob("ecs-task*.json"), *(ROOT / "deploy").rglob("*.yaml")]
    asked = {name for path in files for name in _ASKED.findall(path.read_text())}
    assert {"gameserver_sessions", "worker_backlog_per_worker"} <= asked
    assert asked <= {one.shown for one in (*SERVER, *WORKER)}
