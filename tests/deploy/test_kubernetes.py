"""deploy/kubernetes, as `kubectl kustomize` renders it: valid, confined, and understood."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from gameserver.config import load as load_server
from persistence_worker.config import load as load_worker
from tests.conftest import needs_system
from tests.deploy.task_definitions import ROOT, SECRETS

VERSION = "1.32"
"""The oldest Kubernetes in support that has everything used here."""
OVERLAYS = ("small", "large")
PRE_STOP_S = 5
TO_END_S = 15

pytestmark = pytest.mark.system
Resources = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> Resources:
    """Of one overlay, by kind and name, without what kustomize hangs on to names."""
    kubectl = needs_system("kubectl")
    command = [kubectl, "kustomize", str(ROOT / "deploy/kubernetes/overlays" / request.param)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {
        (one["kind"], one["metadata"]["name"].split("-")[0]): one
        for one in yaml.safe_load_all(done.stdout)
    }


def pods(resources: Resources) -> dict[str, dict[str, Any]]:
    return {
        name: one["spec"]["template"]["spec"]
        for (kind, name), one in resources.items()
        if kind == "Deployment"
    }


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["containers"] + pod["initContainers"]


def environ(resources: Resources, name: str) -> dict[str, str]:
    """What the process of a pod sees; secrets by stand-ins."""
    (main,) = pods(resources)[name]["containers"]
    rendered = resources["ConfigMap", name]
    assert main["envFrom"] == [{"configMapRef": {"name": rendered["metadata"]["name"]}}]
    secret = {entry["name"]: SECRETS[entry["name"]] for entry in main["env"]}
    assert all("secretKeyRef" in entry["valueFrom"] for entry in main["env"])
    return dict(rendered["data"]) | secret


def test_every_resource_is_valid(resources: Resources) -> None:
    # It imports jsonschema, whose import builds 38 parsers: seconds, in every process that looks
    # for tests.
    import kubernetes_validate

    for one in resources.values():
        kubernetes_validate.validate(one, VERSION, strict=True)
    broken = copy.deepcopy(resources["Deployment", "server"])
    broken["spec"]["template"]["spec"]["gracePeriod"] = 5
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


def test_the_programs_understand_their_settings(resources: Resources) -> None:
    server = load_server(environ(resources, "server"))
    assert server.redis_url.startswith("rediss://") and not server.plaintext_at_rest
    worker = load_worker(environ(resources, "worker"))
    assert "sslmode=verify-full" in worker.postgres_dsn
    ports = {
        name: [port["containerPort"] for port in pod["containers"][0]["ports"]]
        for name, pod in pods(resources).items()
    }
    assert ports == {
        "server": [server.ws_port, server.http_port],
        "worker": [worker.http_port],
    }


def test_a_pod_is_given_the_time_of_its_drain(resources: Resources) -> None:
    drains_ms = {
        "server": load_server(environ(resources, "server")).drain_ms + PRE_STOP_S * 1000,
        "worker": load_worker(environ(resources, "worker")).drain_ms,
    }
    for name, pod in pods(resources).items():
        assert pod["terminationGracePeriodSeconds"] >= drains_ms[name] / 1000 + TO_END_S
    (server,) = pods(resources)["server"]["containers"]
    assert server["lifecycle"]["preStop"] == {"sleep": {"seconds": PRE_STOP_S}}


def test_pods_meet_the_restricted_standard(resources: Resources) -> None:
    labels = resources["Namespace", "gameserver"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(resources).items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] == 65_532
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == name
        account = resources["ServiceAccount", name]["metadata"]["annotations"]
        assert account["eks.amazonaws.com/role-arn"].endswith(f":role/gameserver-{name}")
        for one in containers(pod):
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert one["resources"]["limits"]["memory"] and one["resources"]["requests"]["cpu"]
            assert ":" in one["image"] and "/" in one["image"]


def test_liveness_does_not_depend_on_what_is_behind(resources: Resources) -> None:
    for pod in pods(resources).values():
        (main,) = pod["containers"]
        assert main["startupProbe"]["httpGet"]["path"] == "/healthz"
        assert main["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert main["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_both_scale_by_their_own_metric_and_keep_a_pod_too_many(resources: Resources) -> None:
    metrics = {"server": "gameserver_sessions", "worker": "worker_backlog_per_worker"}
    for name, metric in metrics.items():
        spec = resources["HorizontalPodAutoscaler", name]["spec"]
        assert spec["scaleTargetRef"]["name"] == name
        assert [entry["pods"]["metric"]["name"] for entry in spec["metrics"]] == [metric]
        assert 2 <= spec["minReplicas"] < spec["maxReplicas"]
        assert "replicas" not in resources["Deployment", name]["spec"], "the autoscaler's"
        budget = resources["PodDisruptionBudget", name]["spec"]
        labels = resources["Deployment", name]["spec"]["template"]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"].items() <= labels.items()
        assert budget["maxUnavailable"] in (1, "10%")
    server = resources["HorizontalPodAutoscaler", "server"]["spec"]["metrics"][0]["pods"]
    sessions_max = load_server(environ(resources, "server")).sessions_max
    assert int(server["target"]["averageValue"]) < sessions_max


def test_only_what_must_talk_may_talk(resources: Resources) -> None:
    policies = {name: one["spec"] for (kind, name), one in resources.items() if "Policy" in kind}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    into = {
        name: {port["port"] for rule in spec.get("ingress", ()) for port in rule["ports"]}
        for name, spec in policies.items()
    }
    assert into == {
        "nobody": set(),
        "names": set(),
        "server": {"websocket", "api"},
        "worker": {"health"},
    }
    out = {
        name: {port["port"] for rule in spec.get("egress", ()) for port in rule["ports"]}
        for name, spec in policies.items()
    }
    assert out == {
        "nobody": set(),
        "names": {53},
        "server": {6379, 5432, 443},
        "worker": {5432, 443},
    }
    # 443 may go anywhere but to the node's own credentials.
    for name in ("server", "worker"):
        (open_rule,) = [
            rule for rule in policies[name]["egress"] if rule["ports"][0]["port"] == 443
        ]
        assert open_rule["to"][0]["ipBlock"]["except"] == ["169.254.169.254/32"]
