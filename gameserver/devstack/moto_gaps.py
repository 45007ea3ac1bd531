"""Where moto's Cognito differs from Amazon's, and what is done about it.

RevokeToken, ResendConfirmationCode    not there: the two calls below
ConfirmSignUp                          takes any code: no mail is sent that could hold one
ConfirmForgotPassword                  the same, but for codes with ``moto-confirmation-code:``,
                                       of which only the right one is taken; an unknown user is
                                       ResourceNotFoundException instead of CodeMismatch
``auth_time``                          is that of the refresh; Amazon's stays that of the log-in,
                                       so only there a player whose sessions an operator ended
                                       cannot come back with a refresh token
``PreventUserExistenceErrors``         is not read; the server does not depend on it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.cognitoidp.models import cognitoidp_backends

_TARGET = "AWSCognitoIdentityProviderService."
Answer = tuple[str, dict[str, Any]]


def answer(target: str, body: bytes) -> Answer:
    """Status line and body of the answer to one of ``CALLS``."""
    return _CALLS[target.removeprefix(_TARGET)](json.loads(body))


def _revoke_token(asked: Mapping[str, Any]) -> Answer:
    pool = _pool(asked["ClientId"])
    if pool is None:
        return _refused("ResourceNotFoundException")
    if asked["Token"] in pool.refresh_tokens:
        pool.refresh_tokens[asked["Token"]] = None
    return "200 OK", {}


def _resend_confirmation_code(asked: Mapping[str, Any]) -> Answer:
    pool = _pool(asked["ClientId"])
    if pool is None:
        return _refused("ResourceNotFoundException")
    user = pool.users.get(asked["Username"])
    if user is None:
        return _refused("UserNotFoundException")
    if user.status != "UNCONFIRMED":
        return _refused("InvalidParameterException")
    details = {"AttributeName": "email", "DeliveryMedium": "EMAIL", "Destination": "…"}
    return "200 OK", {"CodeDeliveryDetails": details}


def _global_sign_out(asked: Mapping[str, Any]) -> Answer:
    for pool in _pools():
        if asked["AccessToken"] in pool.access_tokens:
            _, username = pool.access_tokens[asked["AccessToken"]]
            pool.sign_out(username)
            return "200 OK", {}
    return _refused("NotAuthorizedException")


def _refused(code: str) -> Answer:
    return "400 Bad Request", {"__type": code, "message": code}


def _pool(client_id: str) -> Any:
    return next((pool for pool in _pools() if client_id in pool.clients), None)


def _pools() -> list[Any]:
    return [
        pool
        for regions in cognitoidp_backends.values()
        for backend in regions.values()
        for pool in backend.user_pools.values()
    ]


_CALLS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "RevokeToken": _revoke_token,
    "ResendConfirmationCode": _resend_confirmation_code,
    "GlobalSignOut": _global_sign_out,
}
CALLS = tuple(_TARGET + name for name in _CALLS)
"""The ``X-Amz-Target`` of each."""
