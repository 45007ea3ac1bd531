"""A real Prometheus, which looks every second; Debian's package ``prometheus``."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from gameserver.devstack.process import LOOPBACK, Service

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "deploy" / "prometheus"
_WINDOW = re.compile(r"\[\d+[smh]\]")


class Prometheus(Service):
    """Scrapes ``targets`` (job → host:port) by the configuration that is shipped, with its rules.

    What rules look back over, and wait for, is cut to seconds: a test cannot watch for ten minutes.
    Expressions and thresholds stay as they are."""

    start_timeout_s = 30.0

    def __init__(
        self, program: str, *, port: int, directory: Path, targets: dict[str, str]
    ) -> None:
        super().__init__(name="prometheus", log=directory / "prometheus.log")
        self._program = program
        self._directory = directory
        self._targets = targets
        self.url = f"http://{LOOPBACK}:{port}"

    def prepare(self) -> None:
        super().prepare()
        config = yaml.safe_load((SHIPPED / "prometheus.yaml").read_text())
        config["global"] = {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        }
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [self._targets[job["job_name"]]]}]
        (self._directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
        rules = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule["expr"] = _WINDOW.sub("[8s]", rule["expr"])
                rule["for"] = "1s"
        (self._directory / "alerts.yaml").write_text(yaml.safe_dump(rules))

    def argv(self) -> list[str]:
        return [
            self._program,
            f"--config.file={self._directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                return True
        except OSError:
            return False

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """The vector that ``expr`` gives now."""
        question = urllib.parse.urlencode({"query": expr})
        answer = self._get(f"/api/v1/query?{question}")
        assert answer["resultType"] == "vector", answer
        result: list[dict[str, Any]] = answer["result"]
        return result

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        found = self._get("/api/v1/alerts")["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def until_firing(self, names: Iterable[str], *, within_s: float = 60) -> None:
        """Wait until all of these fire, at whatever moment each does."""
        missing, deadline = set(names), time.monotonic() + within_s
        while missing := missing - self.firing():
            assert time.monotonic() < deadline, f"{sorted(missing)} did not fire"
            time.sleep(0.25)

    def until_quiet(self, names: Iterable[str], *, within_s: float = 60) -> None:
        """Wait until none of these fires."""
        deadline = time.monotonic() + within_s
        while still := self.firing() & set(names):
            assert time.monotonic() < deadline, f"{sorted(still)} did not end"
            time.sleep(0.25)

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)["data"]
