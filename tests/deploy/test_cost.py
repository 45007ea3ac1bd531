"""The estimate: about the same sizes as the templates, and the page that is made of it."""

from __future__ import annotations

import pytest

from deploy.cost import model, prices
from deploy.cost.__main__ import TARGET
from deploy.cost.document import document
from deploy.cost.model import SIZES, Size, estimate, servers_at, steps, stored_gib, total
from tests.deploy.system import deployed
from tests.deploy.templates import load

EACH = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def test_the_page_is_what_the_model_says() -> None:
    assert TARGET.read_text() == document(), "python -m deploy.cost"


@EACH
def test_sizes_are_those_of_the_templates(size: Size) -> None:
    data = load("data")["Mappings"]["Sizes"][size.name]
    service = load("service")["Mappings"]["Sizes"][size.name]
    assert (data["RedisNode"], data["Shards"], data["Replicas"]) == (
        size.redis_node,
        size.shards,
        size.replicas,
    )
    assert (data["Database"], data["StorageGib"]) == (size.database, size.storage_gib)
    assert (service["ServersMin"], service["ServersMax"]) == size.servers
    assert (service["WorkersMin"], service["WorkersMax"]) == size.workers
    assert service["Recording"] == ("true" if size.recordings_kept_days else "false")
    if size.recordings_kept_days:
        assert int(service["RecordingDays"]) == size.recordings_kept_days
    network = deployed(size.name)["network"]
    assert len(network.of("AWS::EC2::NatGateway")) == size.nat_gateways
    interfaces = [
        one
        for one in network.of("AWS::EC2::VPCEndpoint").values()
        if one["VpcEndpointType"] == "Interface"
    ]
    assert len(interfaces) == model.ENDPOINTS


def test_constants_are_those_of_the_templates() -> None:
    service, watch, edge = (deployed()[name] for name in ("service", "watch", "edge"))
    scaling = load("service")["Mappings"]["Scaling"]
    assert scaling["Server"]["Connections"] == model.CONNECTIONS_PER_SERVER
    for task, cpu, gib in (
        ("ServerTask", model.SERVER_CPU, model.SERVER_GIB),
        ("WorkerTask", model.WORKER_CPU, model.WORKER_GIB),
    ):
        properties = service.properties(task)
        assert (int(properties["Cpu"]), int(properties["Memory"])) == (cpu * 1024, gib * 1024)
    alarms = len(watch.of("AWS::CloudWatch::Alarm")) + 1  # and the one of Route 53
    assert alarms == model.ALARMS
    assert len(edge.properties("Firewall")["Rules"]) == model.WAF_RULES
    assert len(deployed()["keys"].of("AWS::KMS::Key")) == model.KEYS


@EACH
def test_what_the_templates_allow_holds_the_players_of_the_size(size: Size) -> None:
    peak = size.play.peak
    assert servers_at(peak, size) * model.CONNECTIONS_PER_SERVER >= peak
    # A third more than planned for.
    assert size.servers[1] * model.CONNECTIONS_PER_SERVER >= peak * 4 / 3
    valkey = peak * size.play.hz * model.VALKEY_US_PER_CYCLE / 1e6 / size.shards
    assert valkey < 0.5
    assert stored_gib(size) < size.storage_gib
    data = load("data")["Mappings"]["Sizes"][size.name]
    assert stored_gib(size, months=12) < data["StorageMaxGib"]


def test_an_estimate_adds_up_and_grows_with_the_players() -> None:
    sums = [total(estimate(size)) for size in SIZES.values()]
    assert sums == sorted(sums)
    for size in SIZES.values():
        assert all(line.dollars > 0 for line in estimate(size))
        assert len({line.what for line in estimate(size)}) == len(estimate(size))


def test_a_price_falls_with_the_amount() -> None:
    three = ((10.0, 0.0), (20.0, 1.0), (float("inf"), 0.5))
    assert [steps(amount, three) for amount in (5, 10, 15, 20, 30)] == [0, 0, 5, 10, 15]
    assert steps(20_000, prices.CLOUDFRONT_GB_STEPS) == pytest.approx(9_216 * 0.085 + 9_760 * 0.08)
