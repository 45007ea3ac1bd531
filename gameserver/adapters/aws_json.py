"""One operation of AWS that is called again and again, without botocore's ado around each call.

    JSON ──► headers ──► SigV4 (botocore) ──► HTTP session of a client (aiobotocore) ──► JSON

botocore builds each call anew from its model of the service: it resolves the endpoint, checks
parameters, tells a dozen hooks, writes its user agent, thinks about retries: two thirds of the CPU
of a call. What it is good for is kept: endpoint, credentials and their renewal, TLS, proxies and
connections are those of the client, and the signature is botocore's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

_encode = msgspec.json.Encoder().encode
_TEXT_MAX = 500


class Refused(Exception):
    """The service has answered with an error."""


class _Fault(msgspec.Struct):
    type: str = msgspec.field(default="unknown", name="__type")
    message: str = ""


class JsonCall:
    """``await call(parameters)``; ``client`` is aiobotocore's, open, of a service that speaks the
    AWS JSON protocol, and ``method`` what it calls the operation. Nothing is retried."""

    def __init__(self, client: Any, method: str) -> None:
        model = client.meta.service_model
        metadata = model.metadata
        self.service: str = model.service_name
        self.operation: str = client.meta.method_to_api_mapping[method]
        self._headers = {
            "Content-Type": f"application/x-amz-json-{metadata['jsonVersion']}",
            "X-Amz-Target": f"{metadata['targetPrefix']}.{self.operation}",
        }
        self._url = client.meta.endpoint_url.rstrip("/") + "/"
        self._scope = model.signing_name, client.meta.region_name
        self._http = client._endpoint.http_session
        self._credentials = client._request_signer._credentials

    async def __call__(self, parameters: Any) -> bytes:
        """The answer's JSON. Raises ``Refused``, or botocore's and aiohttp's errors."""
        if self._credentials is None:
            raise NoCredentialsError()
        request = AWSRequest("POST", self._url, headers=self._headers, data=_encode(parameters))
        credentials = await self._credentials.get_frozen_credentials()
        SigV4Auth(credentials, *self._scope).add_auth(request)
        response = await self._http.send(request.prepare())
        body: bytes = await response.content
        if response.status_code >= 300:
            raise Refused(f"{response.status_code} {_fault(body)}")
        return body


def _fault(body: bytes) -> str:
    """What an error's body says."""
    try:
        fault = msgspec.json.decode(body, type=_Fault)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "without an explanation"
    return f"{fault.type.rpartition('#')[2]}: {fault.message}"[:_TEXT_MAX]
