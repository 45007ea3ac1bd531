"""What AWS asks for, in dollars, as far as the estimate needs it.

On-demand list prices of us-east-1 as they were known when this was written; nothing here asks AWS.
Other regions are up to a third dearer, commitments and private prices cheaper. Look the large ones
up again before you rely on a sum: https://calculator.aws
"""

from __future__ import annotations

from collections.abc import Mapping

AS_OF = "November 2026"
HOURS = 730
"""Of a month."""

FARGATE_CPU_HOUR = 0.04048
FARGATE_GIB_HOUR = 0.004445

REDIS_NODE_HOUR: Mapping[str, float] = {  # Valkey, a fifth below Redis OSS
    "cache.t4g.small": 0.0256,
    "cache.m7g.large": 0.1264,
    "cache.m7g.xlarge": 0.2520,
}
DATABASE_HOUR: Mapping[str, float] = {  # PostgreSQL in two zones: twice the price of one
    "db.t4g.medium": 0.130,
    "db.m7g.large": 0.336,
    "db.r7g.2xlarge": 1.913,
}
DATABASE_GIB_MONTH = 0.23  # gp3 in two zones
BACKUP_GIB_MONTH = 0.095  # beyond the size of the disk

BALANCER_HOUR = 0.0225
BALANCER_UNIT_HOUR = 0.008  # 3,000 connections, 25 new ones a second, or a GB an hour
ADDRESS_HOUR = 0.005  # a public IPv4 address
NAT_HOUR = 0.045
NAT_GB = 0.045
ENDPOINT_ZONE_HOUR = 0.01
ENDPOINT_GB = 0.01
BETWEEN_ZONES_GB = 0.02  # a cent on either side

SQS_MILLION = 0.40  # of 64 KiB each
DYNAMODB_WRITE_MILLION = 0.625
DYNAMODB_READ_MILLION = 0.125
GATEWAY_MILLION = 1.00
COGNITO_USER = 0.015  # a month, Essentials
COGNITO_FREE_USERS = 10_000

CLOUDFRONT_GB_STEPS: tuple[tuple[float, float], ...] = (
    # Up to so many GB a month, each; Europe and North America.
    (1_024, 0.0),
    (10_240, 0.085),
    (51_200, 0.080),
    (153_600, 0.060),
    (512_000, 0.040),
    (1_048_576, 0.030),
    (5_242_880, 0.025),
    (float("inf"), 0.020),
)
CLOUDFRONT_TO_ORIGIN_GB = 0.020
CLOUDFRONT_TEN_THOUSAND = 0.010
WAF_ACL, WAF_RULE, WAF_MILLION = 5.0, 1.0, 0.60

KEY_MONTH = 1.0
SECRET_MONTH = 0.40
ALARM_MONTH = 0.10
METRIC_MONTH = 0.30
DASHBOARD_MONTH = 3.0
LOG_GB = 0.50
SHIELD_MONTH = 3_000.0
