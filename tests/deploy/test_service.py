"""Load balancers, services, API Gateway and CloudFront against what the server says and does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gameserver.adapters.http_endpoints import ENDPOINTS
from gameserver.adapters.http_routes import Caller, Endpoint
from gameserver.app.root import _SESSIONS_SETTLE_S
from gameserver.config import load
from tests.deploy.system import DOMAIN, IN_ORDER, SIZES, deployed, spoken
from tests.deploy.templates import Stack
from tests.deploy.templates import load as template_of
from tests.test_web import POLICY, WEB

SERVICE, API, EDGE = (deployed()[name] for name in ("service", "api", "edge"))
POLL_JITTER = 1.25
"""A look at the task's wished state comes at most so much later (``adapters.ecs``)."""


def _container(task: str, name: str) -> dict[str, Any]:
    [found] = [
        one for one in SERVICE.properties(task)["ContainerDefinitions"] if one["Name"] == name
    ]
    return dict(found)


def _settings() -> dict[str, str]:
    said = spoken(_container("ServerTask", "server")["Environment"])
    return {one["Name"]: one["Value"] for one in said}


CONFIG = load(_settings())


def _attributes(logical_id: str) -> dict[str, str]:
    properties = SERVICE.properties(logical_id)
    said = properties.get("LoadBalancerAttributes") or properties["TargetGroupAttributes"]
    return {one["Key"]: one["Value"] for one in said}


# ── load balancers and the drain ───────────────────────────────────────────────────────────────


def test_a_silent_socket_is_closed_by_the_server_and_not_by_the_load_balancer() -> None:
    idle_ms = 1000 * int(_attributes("PlayBalancer")["idle_timeout.timeout_seconds"])
    assert idle_ms > 2 * CONFIG.ping_ms


def test_a_call_ends_at_the_server_before_it_does_anywhere_else() -> None:
    gateway_ms = API.properties("Servers")["TimeoutInMillis"]
    idle_ms = 1000 * int(_attributes("ApiBalancer")["idle_timeout.timeout_seconds"])
    assert CONFIG.http_timeout_ms < gateway_ms < idle_ms


def test_a_drain_fits_into_the_deregistration_delay_and_into_the_stop_timeout() -> None:
    seen_s = POLL_JITTER * CONFIG.ecs_poll_ms / 1000
    drained_s = CONFIG.drain_ms / 1000 + _SESSIONS_SETTLE_S
    for group in ("PlayTargets", "ReplayTargets", "ApiTargets"):
        delay_s = int(_attributes(group)["deregistration_delay.timeout_seconds"])
        assert seen_s + drained_s < delay_s
    # Also where nobody has waited for the wish: SIGTERM alone leaves time enough.
    assert drained_s < _container("ServerTask", "server")["StopTimeout"]


@pytest.mark.parametrize("group", ["PlayTargets", "ReplayTargets", "ApiTargets"])
def test_targets_are_reached_by_tls_and_asked_whether_they_live(group: str) -> None:
    targets = SERVICE.properties(group)
    assert targets["Protocol"] == targets["HealthCheckProtocol"] == "HTTPS"
    assert targets["Port"] == (CONFIG.ws_port if group == "PlayTargets" else CONFIG.http_port)
    assert targets["HealthCheckPort"] == str(CONFIG.http_port)
    # ECS ends what is unhealthy: /readyz says 503 for a server that is merely full.
    assert targets["HealthCheckPath"] == "/healthz"
    assert CONFIG.tls_cert_file
    assert CONFIG.tls_key_file


def test_listeners_take_tls_1_2_and_above_and_only_what_shows_the_secret() -> None:
    for one in SERVICE.of("AWS::ElasticLoadBalancingV2::Listener").values():
        assert one["Protocol"] == "HTTPS"
        assert one["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
        [action] = one["DefaultActions"]
        assert action["FixedResponseConfig"]["StatusCode"] == "403"
    rules = SERVICE.of("AWS::ElasticLoadBalancingV2::ListenerRule")
    assert len(rules) == 3
    for rule in rules.values():
        [secret] = [
            one["HttpHeaderConfig"] for one in rule["Conditions"] if one["Field"] == "http-header"
        ]
        assert secret["HttpHeaderName"] == "x-origin-secret"
        assert secret["Values"] == ["{{resolve:secretsmanager:gameserver/origin-1}}"]


def test_the_secret_can_be_exchanged_without_a_gap() -> None:
    given = SERVICE.parameters | {"OtherOriginSecret": "gameserver/origin-2"}
    exports: dict[str, str] = {}
    for name in IN_ORDER[: IN_ORDER.index("service")]:
        exports |= deployed()[name].exports
    both = Stack("service", given, imports=exports)
    for rule in both.of("AWS::ElasticLoadBalancingV2::ListenerRule").values():
        assert len(rule["Conditions"][1]["HttpHeaderConfig"]["Values"]) == 2


# ── services ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("service", ["Servers", "Workers"])
def test_a_bad_deploy_is_rolled_back_and_a_good_one_takes_nothing_away(service: str) -> None:
    deployment = SERVICE.properties(service)["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    network = SERVICE.properties(service)["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert len(network["Subnets"]) == 3


@pytest.mark.parametrize("size", SIZES)
def test_scaling_stays_within_what_a_task_can_hold(size: str) -> None:
    service = deployed(size)["service"]
    [connections] = [
        one["TargetTrackingScalingPolicyConfiguration"]
        for one in service.of("AWS::ApplicationAutoScaling::ScalingPolicy").values()
        if one["PolicyName"] == "connections"
    ]
    assert connections["TargetValue"] * 2 <= CONFIG.sessions_max
    for target in service.of("AWS::ApplicationAutoScaling::ScalableTarget").values():
        assert target["MinCapacity"] < target["MaxCapacity"]
    watch = deployed(size)["watch"]
    for alarm, target in (("ServersNearMax", "ServerScaling"), ("WorkersNearMax", "WorkerScaling")):
        near = watch.properties(alarm)["Threshold"]
        assert near < service.properties(target)["MaxCapacity"]


def _exported_by_the_agent() -> set[str]:
    """Metrics that the agents beside the programs hand to CloudWatch."""
    found = set()
    for task in ("ServerTask", "WorkerTask"):
        said = {one["Name"]: one["Value"] for one in _container(task, "metrics")["Environment"]}
        processor = json.loads(said["CW_CONFIG_CONTENT"])["logs"]["metrics_collected"]
        for one in processor["prometheus"]["emf_processor"]["metric_declaration"]:
            found |= {selector.strip("^$") for selector in one["metric_selectors"]}
    return found


def test_alarms_and_scaling_read_metrics_that_are_there() -> None:
    watch = deployed()["watch"]
    made = _exported_by_the_agent() | {
        one["MetricTransformations"][0]["MetricName"]
        for one in watch.of("AWS::Logs::MetricFilter").values()
    }
    read = {
        one["MetricName"]
        for one in watch.of("AWS::CloudWatch::Alarm").values()
        if one.get("Namespace") == "Gameserver/gameserver"
    }
    read.add(
        SERVICE.properties("ServersByConnections")["TargetTrackingScalingPolicyConfiguration"][
            "CustomizedMetricSpecification"
        ]["MetricName"]
    )
    assert read - made == set()


def test_metrics_of_another_set_of_stacks_are_apart() -> None:
    """Else what one is asked would scale the other, in the same account and region."""
    said = {one["Name"]: one["Value"] for one in _container("ServerTask", "metrics")["Environment"]}
    processor = json.loads(said["CW_CONFIG_CONTENT"])["logs"]["metrics_collected"]["prometheus"]
    namespace = processor["emf_processor"]["metric_namespace"]
    assert namespace == "Gameserver/gameserver"
    for name in ("service", "watch"):
        given = deployed()[name].parameters | {"Game": "other"}
        exports = {
            key.replace("gameserver-", "other-", 1): one
            for earlier in IN_ORDER[: IN_ORDER.index(name)]
            for key, one in deployed()[earlier].exports.items()
        }
        assert "Gameserver/gameserver" not in json.dumps(
            Stack(name, given, imports=exports).resources
        )


def test_the_dashboard_is_json_and_reads_metrics_that_are_there() -> None:
    body = json.loads(deployed()["watch"].properties("Dashboard")["DashboardBody"])
    named = {
        metric[1]
        for widget in body["widgets"]
        for metric in widget["properties"]["metrics"]
        if metric[0] == "Gameserver/gameserver"
    }
    assert named - _exported_by_the_agent() == {"server_log_errors"}


# ── API Gateway ────────────────────────────────────────────────────────────────────────────────


def _routes() -> dict[tuple[str, str], bool]:
    """Method and path of each route, and whether it asks for a token."""
    return {
        tuple(one["RouteKey"].split(" ")): one.get("AuthorizationType") == "JWT"
        for one in API.of("AWS::ApiGatewayV2::Route").values()
    }


def _asks(endpoint: Endpoint) -> bool | None:
    """Whether API Gateway asks for a token; ``None`` where it has no route. The most exact route
    counts (AWS: "Routing API requests")."""
    routes = _routes()
    for method in (endpoint.method, "ANY"):
        if (method, endpoint.path) in routes:
            return routes[method, endpoint.path]
    if endpoint.path.startswith("/v1/"):
        return routes["ANY", "/v1/{proxy+}"]
    return None


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_the_gateway_asks_for_a_token_where_the_server_does(endpoint: Endpoint) -> None:
    wanted = None if endpoint.caller is Caller.INTERNAL else endpoint.authenticated
    assert _asks(endpoint) is wanted


def test_no_route_is_open_for_what_the_server_does_not_have() -> None:
    public = {(one.method, one.path) for one in ENDPOINTS if one.caller is Caller.PUBLIC}
    opened = {route for route, asks in _routes().items() if not asks}
    assert opened == public | {("OPTIONS", "/v1/{proxy+}")}


def test_streams_do_not_go_through_the_gateway() -> None:
    """It holds answers whole, for 30 s at most."""
    paths = [one["PathPattern"] for one in _play()["CacheBehaviors"]]
    for endpoint in (one for one in ENDPOINTS if one.streamed):
        pattern = re.sub(r"\{\w+\}", "*", endpoint.path)
        assert paths.index(pattern) < paths.index("/v1/*")
        values = SERVICE.properties("ReplayRule")["Conditions"][0]["PathPatternConfig"]["Values"]
        assert values == [pattern]


# ── CloudFront ─────────────────────────────────────────────────────────────────────────────────


def _play() -> dict[str, Any]:
    return dict(EDGE.properties("PlayDistribution")["DistributionConfig"])


def test_whatever_is_public_speaks_tls_1_2_and_has_the_firewall() -> None:
    for one in EDGE.of("AWS::CloudFront::Distribution").values():
        config = one["DistributionConfig"]
        assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
        assert config["WebACLId"] == "<edge.Firewall.Arn>"
    for origin in _play()["Origins"]:
        assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
        assert origin["OriginCustomHeaders"][0]["HeaderName"] == "x-origin-secret"


def test_the_server_counts_players_by_the_address_that_cloudfront_saw() -> None:
    assert CONFIG.proxies_trusted == 2  # CloudFront and the load balancer, for sockets
    behaviors = {one["PathPattern"]: one for one in _play()["CacheBehaviors"]}
    for path in ("/v1/*", "/v1/replays/*/frames"):
        assert behaviors[path]["FunctionAssociations"]
    code = EDGE.properties("NameClient")["FunctionCode"]
    assert f'request.headers["{CONFIG.http_address_header}"]' in code


def test_the_page_may_reach_only_the_api_and_sockets_and_itself() -> None:
    security = EDGE.properties("PageHeaders")["ResponseHeadersPolicyConfig"]
    said = security["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    [own] = POLICY.findall((WEB / "index.html").read_text())

    def parts(policy: str) -> dict[str, str]:
        return dict(one.strip().split(" ", 1) for one in policy.split(";"))

    ours = parts(said)
    assert ours.pop("frame-ancestors") == "'none'"
    connect = ours.pop("connect-src")
    assert connect == f"'self' https://play.{DOMAIN} wss://play.{DOMAIN}"
    assert ours == {key: one for key, one in parts(own).items() if key != "connect-src"}
    assert CONFIG.origins == (f"https://{DOMAIN}",)


def test_the_firewall_limits_connects_and_log_ins_of_an_address() -> None:
    rules = {one["Name"]: one for one in EDGE.properties("Firewall")["Rules"]}
    assert [one["Priority"] for one in rules.values()] == sorted(range(len(rules)))
    paths = {
        name: rules[name]["Statement"]["RateBasedStatement"]["ScopeDownStatement"][
            "ByteMatchStatement"
        ]["SearchString"]
        for name in ("connects", "log-ins")
    }
    assert paths == {"connects": "/v1/play", "log-ins": "/v1/auth/"}
    for name in ("reputation", "known-bad-inputs", "common"):
        assert rules[name]["OverrideAction"] == {"None": {}}


def test_only_our_distribution_reads_the_page() -> None:
    read, tls = EDGE.properties("PagePolicy")["PolicyDocument"]["Statement"]
    assert read["Condition"]["StringEquals"]["aws:SourceArn"].endswith("<edge.PageDistribution>")
    assert tls["Effect"] == "Deny"
    assert all(EDGE.properties("Page")["PublicAccessBlockConfiguration"].values())


# ── identity ───────────────────────────────────────────────────────────────────────────────────


def test_the_players_client_is_what_the_http_api_needs() -> None:
    """See ``adapters.http_auth.CognitoAccounts`` and docs/http-api.md."""
    identity = deployed()["identity"]
    client = identity.properties("PlayersClient")
    assert client["GenerateSecret"] is False
    assert set(client["ExplicitAuthFlows"]) == {
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    }
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["EnableTokenRevocation"] is True
    for one in identity.of("AWS::Cognito::UserPoolClient").values():
        assert one["TokenValidityUnits"]["RefreshToken"] == "days"
        assert one["RefreshTokenValidity"] <= CONFIG.revocation_days
    assert identity.properties("Operators")["GroupName"] == CONFIG.admin_group
    # The first of the list is the one that the API logs in by.
    joined = template_of("identity")["Outputs"]["ClientIds"]["Value"]["Fn::Join"][1]
    assert joined[0] == {"Ref": "PlayersClient"}
