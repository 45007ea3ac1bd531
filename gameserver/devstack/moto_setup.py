"""Creates, in an emulated AWS, what Terraform or CloudFormation creates in the real one.

Idempotent: what exists by its name is left as it is.
"""

from __future__ import annotations

from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config

USER_POOL = "gameserver"
APP_CLIENT = "web"
DEMO_USERNAME = "demo"
DEMO_PASSWORD = "Demo-Player-1"
ADMIN_GROUP = "gameserver-admins"
ADMIN_USERNAME = "operator"
ADMIN_PASSWORD = "Demo-Operator-1"
KMS_ALIAS = "alias/gameserver-sensitive"
PROFILES_TABLE = "gameserver-profiles"
SESSIONS_TABLE = "gameserver-sessions"
FRIENDS_TABLE = "gameserver-friends"
_NO_CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def provision(endpoint_url: str, *, region: str) -> dict[str, str]:
    """Make everything and return its names and ids, under the keys written out below."""
    session = boto3.Session(region_name=region, **_NO_CREDENTIALS)
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url, config=config)

    cognito = client("cognito-idp")
    user_pool_id = _user_pool(cognito)
    client_id = _app_client(cognito, user_pool_id)
    return {
        "region": region,
        "user_pool_id": user_pool_id,
        "client_id": client_id,
        "demo_username": DEMO_USERNAME,
        "demo_password": DEMO_PASSWORD,
        "demo_sub": _user(cognito, user_pool_id, DEMO_USERNAME, DEMO_PASSWORD),
        "kms_key_id": _key(client("kms")),
        **_tables(client("dynamodb")),
        "admin_username": ADMIN_USERNAME,
        "admin_password": ADMIN_PASSWORD,
        "admin_sub": _admin(cognito, user_pool_id),
        "admin_group": ADMIN_GROUP,
    }


def _user_pool(cognito: Any) -> str:
    for pool in cognito.list_user_pools(MaxResults=60)["UserPools"]:
        if pool["Name"] == USER_POOL:
            return str(pool["Id"])
    pool = cognito.create_user_pool(
        PoolName=USER_POOL,
        AutoVerifiedAttributes=["email"],
        Policies={"PasswordPolicy": {"MinimumLength": 8}},
    )["UserPool"]
    return str(pool["Id"])


def _app_client(cognito: Any, user_pool_id: str) -> str:
    listed = cognito.list_user_pool_clients(UserPoolId=user_pool_id, MaxResults=60)
    for app_client in listed["UserPoolClients"]:
        if app_client["ClientName"] == APP_CLIENT:
            return str(app_client["ClientId"])
    created = cognito.create_user_pool_client(
        UserPoolId=user_pool_id,
        ClientName=APP_CLIENT,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )
    return str(created["UserPoolClient"]["ClientId"])


def _admin(cognito: Any, user_pool_id: str) -> str:
    sub = _user(cognito, user_pool_id, ADMIN_USERNAME, ADMIN_PASSWORD)
    group = {"UserPoolId": user_pool_id, "GroupName": ADMIN_GROUP}
    try:
        cognito.get_group(**group)
    except cognito.exceptions.ResourceNotFoundException:
        cognito.create_group(**group)
    cognito.admin_add_user_to_group(Username=ADMIN_USERNAME, **group)
    return sub


def _user(cognito: Any, user_pool_id: str, username: str, password: str) -> str:
    """The user's ``sub``."""
    try:
        user = cognito.admin_get_user(UserPoolId=user_pool_id, Username=username)
        attributes = user["UserAttributes"]
    except cognito.exceptions.UserNotFoundException:
        created = cognito.admin_create_user(
            UserPoolId=user_pool_id,
            Username=username,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": f"{username}@example.com"}],
        )
        attributes = created["User"]["Attributes"]
        cognito.admin_set_user_password(
            UserPoolId=user_pool_id, Username=username, Password=password, Permanent=True
        )
    return next(str(item["Value"]) for item in attributes if item["Name"] == "sub")


def _key(kms: Any) -> str:
    try:
        return str(kms.describe_key(KeyId=KMS_ALIAS)["KeyMetadata"]["KeyId"])
    except kms.exceptions.NotFoundException:
        key_id = kms.create_key(Description="sensitive player fields")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=KMS_ALIAS, TargetKeyId=key_id)
        return str(key_id)


def _tables(dynamodb: Any) -> dict[str, str]:
    existing = set(dynamodb.list_tables()["TableNames"])
    keys = {
        PROFILES_TABLE: ("player_id",),
        SESSIONS_TABLE: ("player_id", "session_id"),
        FRIENDS_TABLE: ("player_id", "other_id"),
    }
    for table, names in keys.items():
        if table in existing:
            continue
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    ttl = {"Enabled": True, "AttributeName": "expires_at"}
    if SESSIONS_TABLE not in existing:
        dynamodb.update_time_to_live(TableName=SESSIONS_TABLE, TimeToLiveSpecification=ttl)
    return {
        "profiles_table": PROFILES_TABLE,
        "sessions_table": SESSIONS_TABLE,
        "friends_table": FRIENDS_TABLE,
    }
