"""Amazon Cognito, KMS and DynamoDB, emulated by moto in a process of its own.

moto names the real ``https://cognito-idp.<region>.amazonaws.com/<pool>`` as the issuer of its
tokens and serves their key set itself: so issuer and key set are two settings of the server.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gameserver.devstack.emulation import Emulation
from gameserver.devstack.emulation_options import REGION
from gameserver.devstack.tokens import TokenMint

_IDENTITY_PATH = "/_devstack/identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cognito:
    """The user pool of the development stack, and a mint for its tokens."""

    endpoint_url: str
    region: str
    user_pool_id: str
    client_id: str
    issuer: str
    jwks_url: str
    demo_username: str
    demo_password: str
    demo_sub: str
    admin_username: str
    admin_password: str
    admin_sub: str
    admin_group: str
    mint: TokenMint

    def admin_token(self, *, expires_in_s: int = 3600) -> str:
        """A token of the operator, who is in the server's admin group."""
        return self.token(
            self.admin_sub,
            username=self.admin_username,
            groups=[self.admin_group],
            expires_in_s=expires_in_s,
        )

    def token(
        self,
        player: str = "sub-string",
        *,
        username: str | None = None,
        groups: Sequence[str] = (),
        token_use: str = "access",
        expires_in_s: int = 3600,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """See ``TokenMint.token``."""
        return self.mint.token(
            player,
            username=username,
            groups=groups,
            token_use=token_use,
            expires_in_s=expires_in_s,
            claims=claims,
        )


class Moto(Emulation):
    """``identity`` holds the ids of what was created; it is there once ``start`` has returned."""

    module = "gameserver.devstack.moto_host"

    def __init__(
        self, *, port: int, data: Path, log: Path, region: str = REGION, name: str = "moto"
    ) -> None:
        super().__init__(port=port, data=data, log=log, region=region, name=name)
        self.identity: dict[str, str] = {}

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint_url + _IDENTITY_PATH, timeout=5) as answer:
                self.identity = json.load(answer)
        except OSError:  # refused, or 503 while the user pool is being made
            return False
        return True

    def cognito(self) -> Cognito:
        """The user pool. Only after ``start``."""
        pool, client = self.identity["user_pool_id"], self.identity["client_id"]
        issuer = f"https://cognito-idp.{self.region}.amazonaws.com/{pool}"
        return Cognito(
            endpoint_url=self.endpoint_url,
            region=self.region,
            user_pool_id=pool,
            client_id=client,
            issuer=issuer,
            jwks_url=f"{self.endpoint_url}/{pool}/.well-known/jwks.json",
            demo_username=self.identity["demo_username"],
            demo_password=self.identity["demo_password"],
            demo_sub=self.identity["demo_sub"],
            admin_username=self.identity["admin_username"],
            admin_password=self.identity["admin_password"],
            admin_sub=self.identity["admin_sub"],
            admin_group=self.identity["admin_group"],
            mint=TokenMint(issuer=issuer, client_id=client),
        )
