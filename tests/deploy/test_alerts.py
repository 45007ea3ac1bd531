"""Alert rules and dashboard against what exists, and each rule against series that break it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import dashboard
from docs.generate_metrics import samples
from tests.conftest import needs_system
from tests.deploy.prometheus import ROOT, SHIPPED

RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
RUNBOOKS = ROOT / "docs" / "runbooks" / "alerts"
QUERIES = [
    query.expr for panels in dashboard.ROWS.values() for panel in panels for query in panel.queries
]
_METRIC = re.compile(r"\b(?:(?:gameserver|worker|process)_[a-z0-9_]+|up)\b(?=[{\[ )]|$)")
_IN_BRACES = re.compile(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)")
_SERVER, _WORKER = 'instance="a",job="gameserver"', 'instance="b",job="worker"'


def named(expr: str) -> set[str]:
    """The metrics that an expression asks for."""
    return set(_METRIC.findall(_IN_BRACES.sub(" ", expr)))


# Alert → (what it needs to fire, what is just not enough): series → values as promtool notes them.
# "0+30x60": 0, then 30 more each minute, sixty times.
def _buckets(name: str, *bounds: str, good: str) -> tuple[dict[str, str], dict[str, str]]:
    """A histogram with its values above all bounds but the last, or below ``good``."""
    bad = {f'{name}_bucket{{{_SERVER},le="{b}"}}': "0x60" for b in bounds}
    fine = {
        f'{name}_bucket{{{_SERVER},le="{b}"}}': "0+60x60" if float(b) >= float(good) else "0x60"
        for b in bounds
    }
    return (
        bad | {f'{name}_bucket{{{_SERVER},le="+Inf"}}': "0+60x60"},
        fine | {f'{name}_bucket{{{_SERVER},le="+Inf"}}': "0+60x60"},
    )


def _of_server(name: str, bad: str, fine: str) -> tuple[dict[str, str], dict[str, str]]:
    return {f"{name}{{{_SERVER}}}": bad}, {f"{name}{{{_SERVER}}}": fine}


def _of_worker(
    name: str, bad: str, fine: str, labels: str = ""
) -> tuple[dict[str, str], dict[str, str]]:
    series = f"{name}{{{','.join(filter(None, [_WORKER, labels]))}}}"
    return {series: bad}, {series: fine}


def _two(
    first: str, second: str, bad: tuple[str, str], fine: tuple[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    names = (f"{first}{{{_SERVER}}}", f"{second}{{{_SERVER}}}")
    return dict(zip(names, bad, strict=True)), dict(zip(names, fine, strict=True))


FIRES = (True, False)
_PAUSED = f'{{game="arena",{_SERVER},state="paused"}}'
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ServerDown": _of_server("up", "0x60", "1x60"),
    "TicksLate": _buckets("gameserver_tick_lateness_seconds", "0.01", "0.015", good="0.01"),
    "TicksSkipped": _two(
        "gameserver_ticks_skipped_total",
        "gameserver_ticks_total",
        ("0+20x60", "0+1200x60"),
        ("0+10x60", "0+1200x60"),
    ),
    "LoopBlocked": _buckets("gameserver_loop_lag_seconds", "0.1", "0.2", good="0.1"),
    "StoreErrors": _of_server("gameserver_store_errors_total", "0+60x60", "0+6x60"),
    "MatchesPaused": (
        {f"gameserver_matches{_PAUSED}": "2x60"},
        {f"gameserver_matches{_PAUSED}": "0x60"},
    ),
    "LeasesLost": _of_server("gameserver_leases_lost_total", "0+2x60", "0+1x60"),
    "QueueErrors": _of_server("gameserver_queue_errors_total", "0+12x60", "0+3x60"),
    "OutboxOld": _of_server("gameserver_outbox_oldest_age_seconds", "31x60", "30x60"),
    "DataKeyLow": _of_server("gameserver_data_key_left_ratio", "0.39x60", "0.4x60"),
    "GamesFailed": _of_server("gameserver_games_failed_total", "0x50 1x10", "7x60"),
    "ServerNearlyFull": _two(
        "gameserver_sessions", "gameserver_sessions_max", ("91x60", "100x60"), ("90x60", "100x60")
    ),
    "HandshakesRefused": _two(
        "gameserver_handshakes_refused_total",
        "gameserver_handshakes_accepted_total",
        ("0+120x60", "0+60x60"),
        ("0+50x60", "0+10x60"),
    ),
    "ApiFails": _two(
        "gameserver_http_failures_total",
        "gameserver_http_requests_total",
        ("0+6x60", "0+100x60"),
        ("0+4x60", "0+100x60"),
    ),
    "KeySetStale": _of_server("gameserver_jwks_errors_total", "0+1x60", "5x60"),
    "MatchmakingSlow": _buckets("gameserver_ticket_wait_seconds", "120.0", "300.0", good="120"),
    "WorkerDown": _of_worker("up", "0x60", "1x60"),
    "DatabaseAway": _of_worker("worker_database_up", "0x60", "1x60"),
    "QueueAway": _of_worker("worker_queue_up", "0x60", "1x60"),
    "EventsLate": _of_worker("worker_oldest_event_age_seconds", "61x60", "60x60"),
    "QueueLong": _of_worker("worker_queue_messages", "10001x60", "10000x60", 'state="visible"'),
    "DeadLettersStay": _of_worker("worker_dead_letter_messages", "1x60", "1x55 0x5"),
    "DeadLettersMany": _of_worker("worker_dead_letter_messages", "1001x60", "1000x30 0x30"),
    "LettersParked": _of_worker("worker_parked_events", "1x60", "0x60", 'reason="fork"'),
    "EventsForked": _of_worker("worker_events_total", "0x50 1x10", "0x60", 'outcome="fork"'),
    "MaintenanceFails": _of_worker(
        "worker_maintenance_runs_total", "0x40 4x20", "0x40 1x20", 'outcome="failed"'
    ),
}


def test_each_rule_has_series_that_break_it() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.system
def test_each_rule_fires_on_a_fault_and_on_nothing_less(tmp_path: Path) -> None:
    program = needs_system("promtool")
    files = []
    for alert, cases in CASES.items():
        rules = {"groups": [{"name": "one", "rules": [RULES[alert]]}]}
        (tmp_path / f"{alert}.yaml").write_text(yaml.safe_dump(rules))
        tests = [_unit(alert, series, fires) for series, fires in zip(cases, FIRES, strict=True)]
        wanted = {"rule_files": [f"{alert}.yaml"], "evaluation_interval": "30s", "tests": tests}
        files.append(f"test-{alert}.yaml")
        (tmp_path / files[-1]).write_text(yaml.safe_dump(wanted))
    done = subprocess.run(
        [program, "test", "rules", *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _unit(alert: str, series: dict[str, str], fires: bool) -> dict[str, Any]:
    """One of promtool's unit tests, judged after an hour nearly."""
    # Counted, because the text of an alert says what the value is.
    count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    samples_ = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "name": f"{alert} {'fires' if fires else 'keeps quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": count, "eval_time": "58m", "exp_samples": samples_}],
    }


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_asks_for_what_exists_and_says_what_to_do(alert: str) -> None:
    rule = RULES[alert]
    assert named(rule["expr"]), rule["expr"]
    assert named(rule["expr"]) <= samples()
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"docs/runbooks/alerts/{alert}.md"


def test_runbooks_are_those_of_the_rules_and_lead_somewhere() -> None:
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md")}
    assert pages.keys() == RULES.keys()
    for alert, text in pages.items():
        assert text.startswith(f"# {alert}\n")
        heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert heads == ["What it means", "Look at", "Do"], alert
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (RUNBOOKS / target).exists(), f"{alert}: {target}"
        for metric in re.findall(r"`[^`]*?((?:gameserver|worker)_[a-z_]+)", text):
            if metric != "persistence_worker":
                assert metric in samples() or f"{metric}_bucket" in samples(), f"{alert}: {metric}"


def test_the_dashboard_is_what_its_list_says() -> None:
    assert dashboard.FILE.read_text() == dashboard.render(), (
        "run `python -m deploy.grafana.dashboard`"
    )


def test_the_dashboard_asks_for_what_exists() -> None:
    for expr in QUERIES:
        assert named(expr) and named(expr) <= samples(), expr


def test_panels_have_places_of_their_own() -> None:
    panels = dashboard.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < dashboard.COLUMNS
        taken |= cells


def test_this_check_can_fail() -> None:
    assert named("rate(gameserver_no_such_total[5m])") - samples()
    assert named('sum by (instance) (worker_x{job="up"}) / up == 0') == {"worker_x", "up"}


def test_the_guide_lists_each_alert_by_its_severity() -> None:
    text = (ROOT / "docs" / "operate.md").read_text()
    table = text[text.index("| page | ticket |") :]
    cells = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| [")]
    cells += [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| | [")]
    listed = {
        (re.findall(r"\[(\w+)\]", cell)[0], severity)
        for row in cells
        for cell, severity in zip(row, ("page", "ticket"), strict=True)
        if "[" in cell
    }
    assert listed == {(alert, rule["labels"]["severity"]) for alert, rule in RULES.items()}
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / "docs" / target).exists(), target
