"""Stores and the queue: what the code relies on, and what keeps data."""

from __future__ import annotations

import pytest

from gameserver.wire.event_record import BODY_BYTES_MAX
from persistence_worker.config import Config as WorkerConfig
from tests.deploy.system import SIZES, deployed
from tests.redis_tls import acl

DATA = deployed()["data"]


def test_the_valkey_user_has_the_rights_that_the_tests_run_with() -> None:
    assert DATA.properties("RedisUser")["AccessString"] == "on " + acl("gs:", cluster=True)


def test_the_valkey_user_logs_in_by_iam_and_its_id_is_its_name() -> None:
    user = DATA.properties("RedisUser")
    assert user["AuthenticationMode"] == {"Type": "iam"}
    assert user["UserId"] == user["UserName"]
    assert DATA.properties("RedisUsers")["UserIds"] == ["<data.RedisUser>"]


@pytest.mark.parametrize("size", SIZES)
def test_valkey_evicts_nothing_speaks_tls_only_and_outlives_a_node(size: str) -> None:
    data = deployed(size)["data"]
    redis = data.properties("Redis")
    assert data.properties("RedisSettings")["Properties"] == {
        "cluster-enabled": "yes",
        "maxmemory-policy": "noeviction",
    }
    assert redis["TransitEncryptionMode"] == "required"
    assert redis["AtRestEncryptionEnabled"]
    assert redis["AutomaticFailoverEnabled"]
    assert redis["MultiAZEnabled"]
    assert redis["ReplicasPerNodeGroup"] >= 1


def test_messages_are_as_large_and_as_long_held_as_the_code_thinks() -> None:
    worker = WorkerConfig()
    queue = DATA.properties("Events")
    assert queue["MaximumMessageSize"] == BODY_BYTES_MAX
    assert DATA.properties("DeadLetters")["MaximumMessageSize"] == BODY_BYTES_MAX
    assert queue["VisibilityTimeout"] == worker.visibility_s
    assert queue["ReceiveMessageWaitTimeSeconds"] == worker.receive_wait_s
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= worker.attempts_max
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "<data.DeadLetters.Arn>"


def test_the_queues_refuse_plaintext_and_strangers() -> None:
    policy = DATA.properties("QueuesOverTls")
    assert policy["Queues"] == ["<data.Events>", "<data.DeadLetters>"]
    tls, others = policy["PolicyDocument"]["Statement"]
    assert tls["Effect"] == others["Effect"] == "Deny"
    assert (tls["Action"], tls["Principal"]) == ("sqs:*", "*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    roles = {
        one["RoleName"]
        for key, one in deployed()["access"].of("AWS::IAM::Role").items()
        if not key.endswith("StartRole")
    }
    named = others["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert {arn.rpartition("/")[2] for arn in named} == roles


@pytest.mark.parametrize("size", SIZES)
def test_postgresql_speaks_tls_only_and_can_be_brought_back(size: str) -> None:
    data = deployed(size)["data"]
    database = data.properties("Database")
    assert data.properties("DatabaseSettings")["Parameters"]["rds.force_ssl"] == "1"
    for wanted in (
        "MultiAZ",
        "StorageEncrypted",
        "EnableIAMDatabaseAuthentication",
        "DeletionProtection",
        "ManageMasterUserPassword",
    ):
        assert database[wanted] is True, wanted
    assert database["PubliclyAccessible"] is False
    assert database["DeleteAutomatedBackups"] is False
    # SQS keeps a message for 14 days: what is restored must reach back further (docs/backup.md).
    assert database["BackupRetentionPeriod"] >= 14


def test_tables_are_as_the_code_reads_them() -> None:
    tables = deployed()["tables"]
    keys = {
        one["TableName"]: [key["AttributeName"] for key in one["KeySchema"]]
        for one in tables.of("AWS::DynamoDB::GlobalTable").values()
    }
    assert keys == {
        "gameserver-profiles": ["player_id"],
        "gameserver-sessions": ["player_id", "session_id"],
        "gameserver-friends": ["player_id", "other_id"],
    }
    assert tables.properties("Sessions")["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }
    for one in tables.of("AWS::DynamoDB::GlobalTable").values():
        for replica in one["Replicas"]:
            assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
            assert replica["DeletionProtectionEnabled"]
            assert replica["SSESpecification"]["KMSMasterKeyId"] == "<keys.StorageKey.Arn>"


def test_nobody_keeps_erased_players_for_long() -> None:
    tables = deployed()["tables"]
    lock = tables.properties("Vault")["LockConfiguration"]
    [rule] = tables.properties("BackupPlan")["BackupPlan"]["BackupPlanRule"]
    assert rule["Lifecycle"]["DeleteAfterDays"] <= lock["MaxRetentionDays"] <= 35
